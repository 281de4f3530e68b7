//! Handlers of the `account` folder, and their routes.

use crate::Town;

pub(crate) fn routes(_routes: &mut web::Routes<Town>) {}

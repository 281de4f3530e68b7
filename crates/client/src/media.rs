//! Files: uploads, downloads and thumbnails. Nobody gets one without a token, under the old paths neither, so that no stranger
//! has this server fetch from others (hazard M6).

mod download;
mod shown;
#[cfg(test)]
mod tests;
mod thumbnail;
mod upload;

use crate::Town;

pub(crate) fn routes(routes: &mut web::Routes<Town>) {
    download::routes(routes);
    thumbnail::routes(routes);
    upload::routes(routes);
}

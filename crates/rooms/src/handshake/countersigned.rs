//! Events of ours that come back from another server with its signature: the signature is taken, and nothing else.

use events::{Pdu, RoomVersion};
use kernel::id::ServerName;

use crate::{Error, Result, Rooms};

impl Rooms {
    /// Our event with the signature of `server`, from the copy that it sent back.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it did not sign the event.
    pub(super) async fn countersigned(
        &self,
        ours: &Pdu,
        version: RoomVersion,
        server: &ServerName,
        copy: &str,
    ) -> Result<Pdu> {
        let keys = self.keys_of_copy(ours, copy, server, version).await.map_err(|_| unfit())?;
        ours.countersigned(copy, server, version, &keys).map_err(|_| unfit())
    }
}

fn unfit() -> Error {
    Error::Unavailable("The other server did not sign the event that it was sent".to_owned())
}

//! Reading a field for what it is worth.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::Pdu;

/// The content of an event, or the default if it is not even an object.
pub(super) fn read<T: Default + DeserializeOwned>(event: &Pdu) -> T {
    serde_json::from_str(event.content().get()).unwrap_or_default()
}

/// For `#[serde(deserialize_with)]`: a value of another type is none.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let json = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(json.get()).ok())
}

/// The same for an object: serde would also take an array of the fields' values.
pub(super) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let json = Box::<RawValue>::deserialize(deserializer)?;
    Ok(json.get().starts_with('{').then(|| serde_json::from_str(json.get()).ok()).flatten())
}

/// The same for a list, of which the entries that cannot be read are left out.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let json = Box::<RawValue>::deserialize(deserializer)?;
    let entries: Vec<Box<RawValue>> = serde_json::from_str(json.get()).unwrap_or_default();
    Ok(entries.iter().filter_map(|entry| serde_json::from_str(entry.get()).ok()).collect())
}

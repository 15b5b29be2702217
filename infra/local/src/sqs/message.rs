//! Message attributes and the digests that SQS answers with.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// The attributes of a message, by name.
pub(super) type Attributes = BTreeMap<String, Attribute>;

/// One attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attribute {
    pub(super) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) string_value: Option<String>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) binary_value: Option<String>,
}

impl Attribute {
    fn binary(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.binary_value.as_ref()?).ok()
    }

    /// Whether it has exactly the value of its type.
    pub(super) fn is_valid(&self) -> bool {
        match self.data_type.split('.').next() {
            Some("Binary") => self.string_value.is_none() && self.binary().is_some_and(|bytes| !bytes.is_empty()),
            Some("Number") => self.string_value.as_ref().is_some_and(|text| text.parse::<f64>().is_ok()),
            Some("String") => self.string_value.as_ref().is_some_and(|text| !text.is_empty()),
            _ => false,
        }
    }

    fn size(&self) -> usize {
        let value = self.string_value.as_ref().map(String::len).or_else(|| Some(self.binary()?.len()));
        self.data_type.len() + value.unwrap_or_default()
    }
}

/// The size of a message by SQS's rules, in bytes: its body and the names, types and values of its attributes.
pub(super) fn size(body: &str, attributes: &Attributes) -> usize {
    body.len() + attributes.iter().map(|(name, attribute)| name.len() + attribute.size()).sum::<usize>()
}

/// Whether a body has only the characters that SQS takes.
pub(super) fn is_valid_body(body: &str) -> bool {
    body.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..))
}

/// The digest of a body.
pub(super) fn md5_of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// The digest of attributes; none if there are none.
pub(super) fn md5_of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    for (name, attribute) in attributes {
        let (kind, value) = match attribute.binary() {
            Some(bytes) => (2_u8, bytes),
            None => (1_u8, attribute.string_value.clone().unwrap_or_default().into_bytes()),
        };
        add(&mut digest, name.as_bytes());
        add(&mut digest, attribute.data_type.as_bytes());
        digest.update([kind]);
        add(&mut digest, &value);
    }
    Some(hex(&digest.finalize()))
}

/// Adds a text with its length before it.
fn add(digest: &mut Md5, bytes: &[u8]) {
    digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(bytes);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! What a table is, as the template declares it.

/// A table with everything that the local cloud makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableConfig {
    /// The template's name of it.
    pub logical_id: String,
    /// The name that requests carry.
    pub name: String,
    /// The attributes that keys are made of.
    pub attributes: Vec<Attribute>,
    /// The primary key.
    pub key_schema: KeySchema,
    /// Global secondary indexes.
    pub gsis: Vec<IndexConfig>,
    /// Local secondary indexes.
    pub lsis: Vec<IndexConfig>,
    /// What stream records show, where the table has a stream.
    pub stream_view: Option<StreamView>,
    /// The attribute with the expiry of an item.
    pub ttl_attribute: Option<String>,
}

impl TableConfig {
    /// The table's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        crate::wire::table_arn(&self.name)
    }

    /// The ARN of the table's stream.
    #[must_use]
    pub fn stream_arn(&self) -> String {
        crate::wire::stream_arn(&self.name)
    }
}

/// An attribute that a key is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: AttributeKind,
}

/// The types that keys may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeKind {
    /// `S`
    String,
    /// `N`
    Number,
    /// `B`
    Binary,
}

impl AttributeKind {
    /// The type as DynamoDB writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "S",
            Self::Number => "N",
            Self::Binary => "B",
        }
    }

    /// Reads what DynamoDB writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "S" => Some(Self::String),
            "N" => Some(Self::Number),
            "B" => Some(Self::Binary),
            _ => None,
        }
    }
}

/// A partition key with its sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySchema {
    /// The partition key's attribute.
    pub hash: String,
    /// The sort key's attribute.
    pub range: Option<String>,
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexConfig {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key_schema: KeySchema,
    /// The attributes that it carries.
    pub projection: Projection,
}

/// The attributes that an index carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// All of them.
    All,
    /// The keys alone.
    KeysOnly,
    /// The keys and these.
    Include(Vec<String>),
}

/// What the records of a stream show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamView {
    /// The key alone.
    KeysOnly,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
    /// Both.
    NewAndOldImages,
}

impl StreamView {
    /// The view as DynamoDB writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeysOnly => "KEYS_ONLY",
            Self::NewImage => "NEW_IMAGE",
            Self::OldImage => "OLD_IMAGE",
            Self::NewAndOldImages => "NEW_AND_OLD_IMAGES",
        }
    }

    /// Reads what DynamoDB writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "KEYS_ONLY" => Some(Self::KeysOnly),
            "NEW_IMAGE" => Some(Self::NewImage),
            "OLD_IMAGE" => Some(Self::OldImage),
            "NEW_AND_OLD_IMAGES" => Some(Self::NewAndOldImages),
            _ => None,
        }
    }

    /// Whether records show the item after the change.
    #[must_use]
    pub fn shows_new(self) -> bool {
        matches!(self, Self::NewImage | Self::NewAndOldImages)
    }

    /// Whether records show the item before the change.
    #[must_use]
    pub fn shows_old(self) -> bool {
        matches!(self, Self::OldImage | Self::NewAndOldImages)
    }
}

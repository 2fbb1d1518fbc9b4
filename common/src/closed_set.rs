//! Closed sets of names: enums of which each value has one name outside the code.

/// Defines an enum whose values have names: `ALL`, `as_str`, `from_name`, and the names as
/// JSON texts.
macro_rules! closed_set {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $set:ident {
            $($(#[$doc:meta])* $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $set {
            $($(#[$doc])* $variant,)+
        }

        impl $set {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns its name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns the value called `name`.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == name)
            }
        }

        impl serde::Serialize for $set {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $set {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
                let unknown = || serde::de::Error::custom("a name that is not in the set");
                Self::from_name(&name).ok_or_else(unknown)
            }
        }
    };
}
pub(crate) use closed_set;

//! Canonical reading: nothing is accepted but what would be written.
//!
//! Derived readers take more than derived writers write: a list of fields in the place of an object,
//! `null` for what is left out, an object in the place of a name. Statements are compared and signed,
//! so what they say has one form only.

use alloc::{string::String, vec::Vec};
use core::{fmt, marker::PhantomData};

use miden_core::{Felt, Word};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};
use thiserror::Error;

/// A record that is an object, and not a list of its fields.
pub struct Object<T>(pub T);

impl<T: Serialize> Serialize for Object<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// The names of all values of a type.
macro_rules! names {
    ($type:ty) => {{
        let mut names = [""; <$type>::ALL.len()];
        let mut value = 0;
        while value < names.len() {
            names[value] = <$type>::ALL[value].name();
            value += 1;
        }
        names
    }};
}
pub(crate) use names;

/// Reads one of these names, and returns its position.
pub(crate) fn position<'de, D: Deserializer<'de>>(
    deserializer: D,
    names: &'static [&'static str],
) -> Result<usize, D::Error> {
    let text = String::deserialize(deserializer)?;
    let position = names.iter().position(|name| *name == text);
    position.ok_or_else(|| D::Error::unknown_variant(&text, names))
}

/// Reads a field that is left out if there is nothing to say, and then is not `null` either.
pub fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A digest as Miden prints words, which has one spelling only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex(pub Word);

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "'{0}' is not a digest: it has to be 0x and 64 lower-case hexadecimal digits that stand for four \
     field elements"
)]
pub struct HexError(String);

impl TryFrom<String> for Hex {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        match Word::try_from(text.as_str()) {
            Ok(word) if word.to_hex() == text => Ok(Self(word)),
            _ => Err(HexError(text)),
        }
    }
}

impl From<Hex> for String {
    fn from(Hex(word): Hex) -> Self {
        word.to_hex()
    }
}

/// The bytes that a text stands for, two lower-case hexadecimal digits each; `None` if it is no such text.
pub fn bytes_from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |&byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some(16 * digit(high)? + digit(low)?));
    rest.is_empty().then(|| bytes.collect())?
}

/// Words that are written as [`Hex`].
pub mod hex {
    use super::*;

    /// Writes a word.
    pub fn serialize<S: Serializer>(word: &Word, serializer: S) -> Result<S::Ok, S::Error> {
        Hex(*word).serialize(serializer)
    }

    /// Reads a word.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Word, D::Error> {
        Hex::deserialize(deserializer).map(|Hex(word)| word)
    }
}

/// Words that are written as [`Hex`], and left out if there is none.
pub mod present_hex {
    use super::*;

    /// Writes a word that is there.
    pub fn serialize<S: Serializer>(word: &Option<Word>, serializer: S) -> Result<S::Ok, S::Error> {
        word.map(Hex).serialize(serializer)
    }

    /// Reads a word that is there.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Word>, D::Error> {
        hex::deserialize(deserializer).map(Some)
    }
}

/// Field elements that are written as numbers below the modulus.
pub mod elements {
    use super::*;

    /// A number that is not below the modulus.
    #[derive(Debug, Clone, PartialEq, Eq, Error)]
    #[error("{0} is not a field element")]
    pub struct ElementError(u64);

    /// The element that a number stands for.
    pub fn element(number: u64) -> Result<Felt, ElementError> {
        Felt::try_from(number).map_err(|_| ElementError(number))
    }

    /// Writes elements.
    pub fn serialize<S: Serializer>(elements: &[Felt], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(elements.iter().map(Felt::as_int))
    }

    /// Reads elements.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Felt>, D::Error> {
        let numbers = Vec::<u64>::deserialize(deserializer)?;
        let elements = numbers.into_iter().map(element).collect::<Result<_, _>>();
        elements.map_err(D::Error::custom)
    }
}

/// A field element that is written as a number below the modulus.
pub mod element {
    use super::*;

    /// Writes an element.
    pub fn serialize<S: Serializer>(element: &Felt, serializer: S) -> Result<S::Ok, S::Error> {
        element.as_int().serialize(serializer)
    }

    /// Reads an element.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Felt, D::Error> {
        let number = u64::deserialize(deserializer)?;
        elements::element(number).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use miden_core::utils::ToHex;

    use super::*;

    #[test]
    fn bytes_have_one_text() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = bytes.as_slice().to_hex();
        assert_eq!(bytes_from_hex(&text), Some(bytes));
        assert_eq!(bytes_from_hex(""), Some(Vec::new()));
        for wrong in ["0", "0A", "0x00", "g0", "0g", "000", " 00", "é0"] {
            assert_eq!(bytes_from_hex(wrong), None, "{wrong}");
        }
    }
}

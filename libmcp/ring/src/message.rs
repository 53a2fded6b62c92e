//! Typed messages.

/// A message of a fixed length.
pub trait Message: Sized {
    /// An array of bytes.
    type Bytes: AsRef<[u8]> + AsMut<[u8]>;

    /// Where one is received into.
    const EMPTY: Self::Bytes;

    /// The message as bytes.
    fn to_bytes(&self) -> Self::Bytes;

    /// The message that `bytes` are, if they are one. They may be anything: they come from somebody who is not trusted. They
    /// are a copy, and do not change.
    fn from_bytes(bytes: &Self::Bytes) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty)+) => {
        $(impl Message for $number {
            type Bytes = [u8; size_of::<$number>()];
            const EMPTY: Self::Bytes = [0; size_of::<$number>()];

            fn to_bytes(&self) -> Self::Bytes {
                self.to_le_bytes()
            }

            fn from_bytes(bytes: &Self::Bytes) -> Option<Self> {
                Some(Self::from_le_bytes(*bytes))
            }
        })+
    };
}

numbers!(u8 u16 u32 u64 i8 i16 i32 i64);

impl<const N: usize> Message for [u8; N] {
    type Bytes = [u8; N];
    const EMPTY: [u8; N] = [0; N];

    fn to_bytes(&self) -> [u8; N] {
        *self
    }

    fn from_bytes(bytes: &[u8; N]) -> Option<Self> {
        Some(*bytes)
    }
}

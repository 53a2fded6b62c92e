//! How much the compiler optimises.

/// How much the compiler optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Profile {
    /// Cargo's `dev`.
    #[default]
    Dev,
    /// Cargo's `release`.
    Release,
}

impl TryFrom<String> for Profile {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "dev" | "debug" => Ok(Self::Dev),
            "release" => Ok(Self::Release),
            _ => Err(format!("`{name}` is no profile; there are dev and release")),
        }
    }
}

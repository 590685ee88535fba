//! Types of settings, and the macro that declares a section.

use std::fmt;
use std::ops::RangeInclusive;

/// A value as a source contains it.
#[derive(Debug, Clone)]
pub(super) enum RawValue {
    /// In the environment or on the command line.
    Text(String),
    /// In a TOML file.
    Toml(toml::Value),
}

impl RawValue {
    /// The value as text, if it is text.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Toml(value) => value.as_str(),
        }
    }
}

impl fmt::Display for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Toml(value) => write!(f, "{}", value.to_string().replace('\n', " ")),
        }
    }
}

/// A type that a setting can have.
pub(super) trait Setting: Sized {
    /// Description of the allowed values.
    type Allowed;

    /// Parses and checks a value. The error describes the allowed values.
    fn read(raw: &RawValue, allowed: &Self::Allowed) -> Result<Self, String> {
        Self::parse(raw).filter(|value| value.is_allowed(allowed)).ok_or_else(|| Self::expected(allowed))
    }

    /// Parses a value, whether it is allowed or not.
    fn parse(raw: &RawValue) -> Option<Self>;

    /// Whether the value is allowed.
    fn is_allowed(&self, allowed: &Self::Allowed) -> bool;

    /// Describes the allowed values for people.
    fn expected(allowed: &Self::Allowed) -> String;
}

impl Setting for u64 {
    type Allowed = RangeInclusive<u64>;

    fn parse(raw: &RawValue) -> Option<Self> {
        match raw {
            RawValue::Text(text) => text.trim().replace('_', "").parse().ok(),
            RawValue::Toml(value) => value.as_integer().and_then(|n| n.try_into().ok()),
        }
    }

    fn is_allowed(&self, allowed: &Self::Allowed) -> bool {
        allowed.contains(self)
    }

    fn expected(allowed: &Self::Allowed) -> String {
        format!("a number from {} to {}", allowed.start(), allowed.end())
    }
}

impl Setting for f64 {
    type Allowed = RangeInclusive<f64>;

    fn parse(raw: &RawValue) -> Option<Self> {
        match raw {
            RawValue::Text(text) => text.trim().parse().ok(),
            // TOML writes whole numbers without a point. Those of our settings are small.
            RawValue::Toml(value) => value
                .as_float()
                .or_else(|| value.as_integer().and_then(|n| u32::try_from(n).ok()).map(f64::from)),
        }
    }

    fn is_allowed(&self, allowed: &Self::Allowed) -> bool {
        allowed.contains(self)
    }

    fn expected(allowed: &Self::Allowed) -> String {
        format!("a number from {} to {}", allowed.start(), allowed.end())
    }
}

impl Setting for bool {
    type Allowed = ();

    fn parse(raw: &RawValue) -> Option<Self> {
        match raw {
            RawValue::Text(text) => text.trim().parse().ok(),
            RawValue::Toml(value) => value.as_bool(),
        }
    }

    fn is_allowed(&self, (): &()) -> bool {
        true
    }

    fn expected((): &()) -> String {
        "true or false".to_owned()
    }
}

impl Setting for String {
    type Allowed = ();

    fn parse(raw: &RawValue) -> Option<Self> {
        raw.as_text().map(str::to_owned)
    }

    fn is_allowed(&self, (): &()) -> bool {
        true
    }

    fn expected((): &()) -> String {
        "a text".to_owned()
    }
}

/// Description of a setting.
#[derive(Debug, Clone)]
pub(super) struct SettingInfo {
    /// The setting's name in its section.
    pub(super) name: &'static str,
    /// The setting's purpose.
    pub(super) about: &'static str,
    /// The setting's default as TOML.
    pub(super) default: String,
    /// Description of the allowed values.
    pub(super) expected: String,
}

/// A section of the settings.
pub(super) trait Section {
    /// The section's name; empty for the settings outside any section.
    const NAME: &'static str;

    /// The section's settings.
    fn settings() -> Vec<SettingInfo>;

    /// Sets a field. `None` if there is no such field; an error that describes the allowed values if the value is not
    /// allowed.
    fn set(&mut self, field: &str, raw: &RawValue) -> Option<Result<(), String>>;
}

/// A secret text. Its `Debug` output only shows whether it is empty.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretText(String);

impl SecretText {
    /// The secret text. It must not be printed or logged.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "\"***\"" })
    }
}

impl Setting for SecretText {
    type Allowed = ();

    fn parse(raw: &RawValue) -> Option<Self> {
        String::parse(raw).map(Self)
    }

    fn is_allowed(&self, (): &()) -> bool {
        true
    }

    fn expected((): &()) -> String {
        String::expected(&())
    }
}

/// Declares a section: a struct with a default and a range for each setting.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident = $section:literal {
            $(#[doc = $first:literal] $(#[doc = $more:literal])* $field:ident: $ty:ty = $default:expr, $allowed:expr;)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(#[doc = $first] $(#[doc = $more])* pub $field: $ty,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $crate::config::setting::Section for $name {
            const NAME: &'static str = $section;

            fn settings() -> Vec<$crate::config::setting::SettingInfo> {
                vec![$($crate::config::setting::SettingInfo {
                    name: stringify!($field),
                    about: concat!($first $(, $more)*).trim(),
                    default: format!("{:?}", Self::default().$field),
                    expected: <$ty as $crate::config::setting::Setting>::expected(&$allowed),
                },)+]
            }

            fn set(&mut self, field: &str, raw: &$crate::config::setting::RawValue) -> Option<Result<(), String>> {
                Some(match field {
                    $(stringify!($field) => {
                        <$ty as $crate::config::setting::Setting>::read(raw, &$allowed)
                            .map(|value| self.$field = value)
                    })+
                    _ => return None,
                })
            }
        }
    };
}

pub(super) use section;

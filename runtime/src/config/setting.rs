//! Kinds of values, and the macro that declares a section.

use std::fmt;
use std::ops::RangeInclusive;

/// A value as it was written.
#[derive(Debug, Clone)]
pub(super) enum RawValue {
    /// In the environment or on the command line.
    Text(String),
    /// In a TOML file.
    Toml(toml::Value),
}

impl RawValue {
    /// The text, if it is one.
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

/// What a value of a setting can be.
pub(super) trait Setting: Sized {
    /// The values allowed.
    type Allowed;

    /// Reads a value; the error says what was expected.
    fn read(raw: &RawValue, allowed: &Self::Allowed) -> Result<Self, String> {
        Self::parse(raw).filter(|value| value.is_allowed(allowed)).ok_or_else(|| Self::expected(allowed))
    }

    /// The value, whether it is allowed or not.
    fn parse(raw: &RawValue) -> Option<Self>;

    /// Whether it is one of those allowed.
    fn is_allowed(&self, allowed: &Self::Allowed) -> bool;

    /// What is expected, in words.
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
            // Whole numbers are written without a point, and are small.
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

/// What there is to know of a setting.
#[derive(Debug, Clone)]
pub(super) struct SettingInfo {
    /// Its name in its section.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) about: &'static str,
    /// Its default, as text.
    pub(super) default: String,
    /// What it can be, in words.
    pub(super) expected: String,
}

/// A section of the settings.
pub(super) trait Section {
    /// Its name; empty for settings outside any section.
    const NAME: &'static str;

    /// Its settings.
    fn settings() -> Vec<SettingInfo>;

    /// Sets one; `None` if there is none of that name, an error with what is expected if it cannot have that value.
    fn set(&mut self, field: &str, raw: &RawValue) -> Option<Result<(), String>>;
}

/// A text that is printed nowhere: its `Debug` says only whether there is one.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretText(String);

impl SecretText {
    /// The text, for whom it is meant.
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

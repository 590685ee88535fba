//! C#: bindings by wit-bindgen. Our tests do not compile C# programs.

use super::{Language, Layout, ProjectNames, Recipe};
use crate::{Error, Files, World};

/// C#.
#[derive(Debug)]
pub(super) struct CSharp;

impl Language for CSharp {
    fn name(&self) -> &'static str {
        "csharp"
    }

    fn title(&self) -> &'static str {
        "C#"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["c-sharp", "dotnet"]
    }

    fn tier(&self) -> u8 {
        3
    }

    fn is_tested(&self) -> bool {
        false
    }

    fn bindings(&self, world: &World) -> Result<Files, Error> {
        let options = wit_bindgen_csharp::Opts { generate_stub: true, ..wit_bindgen_csharp::Opts::default() };
        super::generate(self.title(), &mut *options.build(), world)
    }

    fn project(&self, _: &ProjectNames) -> Option<Files> {
        None
    }

    fn recipe(&self, _: &Layout<'_>) -> Option<Recipe> {
        None
    }
}

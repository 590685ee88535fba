//! A worker that uses every supported feature, under the strictest lints. It also works as ordinary Rust.

#![deny(warnings, unsafe_code, unused, clippy::all)]

#[golem::worker(package = "acme:shop@1.2.0", interface = "everything")]
mod everything {
    use std::collections::HashMap;

    /// A record.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Point {
        pub x: i32,
        pub y: i32,
        pub r#type: String,
    }

    impl Point {
        /// Not exported: a point is a parameter type.
        pub fn length(&self) -> f64 {
            f64::from(self.x).hypot(f64::from(self.y))
        }
    }

    pub enum Shape {
        Nothing,
        Circle(Point, f64),
        Polygon(Vec<Point>),
        Names(Names),
    }

    #[derive(Clone, Copy)]
    pub enum Color {
        Red,
        DarkBlue,
    }

    #[golem::flags]
    #[derive(Clone, Copy, Default)]
    pub struct Permissions {
        pub read: bool,
        pub write: bool,
    }

    type Names = Vec<(String, Option<char>)>;

    pub struct World {
        seen: HashMap<String, u32>,
    }

    impl World {
        fn new() -> Self {
            Self { seen: HashMap::new() }
        }

        /// Counts how often it was called with `name`.
        pub fn see(&mut self, name: String) -> u32 {
            let seen = self.seen.entry(name).or_default();
            *seen += 1;
            *seen
        }

        pub fn result(&self, at: Point) -> Result<Point, Shape> {
            if at.length() > 1.0 { Ok(at) } else { Err(Shape::Nothing) }
        }
    }

    impl World {
        pub fn forget(&mut self) -> Result<(), String> {
            self.seen.clear();
            Ok(())
        }
    }

    pub fn list(mut value: Vec<Option<Result<(Color, Permissions), ()>>>) -> Option<Option<Shape>> {
        value.clear();
        Some(Some(Shape::Circle(Point::default(), 1.0)))
    }

    #[cfg(test)]
    pub fn only_for_tests() {}
}

fn main() {
    let _shape = everything::list(Vec::new());
}

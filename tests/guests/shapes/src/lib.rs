//! Echoes a value of every type that the macro supports, so that each type is converted in both directions.

#![deny(warnings, clippy::all)]

#[golem::worker(package = "golem:shapes@1.2.3", interface = "echo")]
mod shapes {
    /// A point.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Point {
        pub x: i32,
        pub y: i32,
    }

    impl Point {
        /// Not exported, because `Point` is not the worker's struct.
        pub fn mirrored(&self) -> Self {
            Self { x: self.y, y: self.x }
        }
    }

    /// A variant with each kind of payload.
    pub enum Shape {
        Nothing,
        Circle(f64),
        Polygon(Vec<Point>),
        Named(String, Point),
        Boxed(Box2),
    }

    /// A record that a shape contains.
    pub struct Box2 {
        pub r#type: Option<Color>,
        pub corners: (Point, Point),
    }

    #[derive(Clone, Copy)]
    pub enum Color {
        Red,
        Green,
        DarkBlue = 7,
    }

    #[golem::flags]
    #[derive(Clone, Copy, Default)]
    pub struct Permissions {
        pub read: bool,
        pub write: bool,
        pub run_as_admin: bool,
    }

    /// Everything in one record.
    pub struct Everything {
        pub numbers: (u8, u16, u32, u64, i8, i16, i32, i64),
        pub floats: (f32, f64),
        pub truth: bool,
        pub letter: char,
        pub text: String,
        pub bytes: Vec<u8>,
        pub maybe: Option<Option<Point>>,
        pub outcome: Result<Color, Shape>,
        pub unit: Result<(), ()>,
        pub permissions: Vec<Permissions>,
        pub list: Pairs,
    }

    type Pairs = Vec<(String, Option<Shape>)>;

    pub fn echo_everything(value: Everything) -> Everything {
        value
    }

    pub fn echo_shape(value: Shape) -> Shape {
        value
    }

    pub fn echo_color(value: Color) -> Color {
        value
    }

    pub fn echo_permissions(value: Permissions) -> Permissions {
        value
    }

    pub fn mirror(points: Vec<Point>) -> Vec<Point> {
        points.iter().map(Point::mirrored).collect()
    }

    pub fn echo_result(value: Result<Vec<Shape>, ()>) -> Result<Vec<Shape>, ()> {
        value
    }

    pub fn r#use(r#type: Option<String>, list: u8) -> String {
        format!("{type:?} {list}")
    }

    /// Nothing in, nothing out.
    pub fn nothing() {}
}

//! Returns what it is given, for every type that the macro knows, so that each is converted there and back.

#![deny(warnings, clippy::all)]

#[golem::worker(package = "golem:shapes@1.2.3", interface = "echo")]
mod shapes {
    /// A place.
    #[derive(Clone, Copy, PartialEq)]
    pub struct Point {
        pub x: i32,
        pub y: i32,
    }

    impl Point {
        /// Not exported: points are passed, they are not the worker.
        pub fn mirrored(&self) -> Self {
            Self { x: self.y, y: self.x }
        }
    }

    /// One of several things.
    pub enum Shape {
        Nothing,
        Circle(f64),
        Polygon(Vec<Point>),
        Named(String, Point),
        Boxed(Box2),
    }

    /// What a shape may stand in.
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

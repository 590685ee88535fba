//! Adds up numbers that it reads from standard input, one on each line, and answers each with a line.
//!
//! It is an ordinary program without any code for durability or workers. With all input at once it answers every line
//! and ends. With one line at a time it continues to run. A line that is no number is a command, for example to
//! misbehave.

use std::io::{self, BufRead, Write};
use std::process::exit;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn main() {
    let mut total = 0;
    for line in io::stdin().lock().lines() {
        let line = line.unwrap_or_else(|error| fail(&format!("cannot read: {error}")));
        let text = line.trim().trim_matches('"');
        match text.parse::<i64>() {
            Ok(number) => {
                total += number;
                println!("{total}");
            }
            Err(_) => command(text, total),
        }
    }
}

fn command(text: &str, total: i64) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let number = rest.parse().unwrap_or(0);
    match word {
        // The text is from a JSON string, so its quotes are escaped.
        "say" => println!("{}", rest.replace("\\\"", "\"")),
        "nothing" => println!(),
        "silent" => {}
        "twice" => {
            println!("{total}");
            if let Err(error) = writeln!(io::stdout(), "{total}").and_then(|()| io::stdout().flush()) {
                eprintln!("cannot write: {error}");
            }
        }
        "log" => {
            eprintln!("{rest}");
            println!("{total}");
        }
        "time" => println!("{:?}", SystemTime::now().duration_since(UNIX_EPOCH)),
        "sleep" => {
            std::thread::sleep(Duration::from_millis(number));
            println!("{total}");
        }
        "long" => println!("{}", "x".repeat(usize::try_from(number).unwrap_or_default())),
        "exit" => {
            print!("{total}");
            exit(i32::try_from(number).unwrap_or_default());
        }
        _ => fail(&format!("unknown command {text:?}")),
    }
}

fn fail(reason: &str) -> ! {
    eprintln!("{reason}");
    exit(1);
}

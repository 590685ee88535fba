//! What the guest library offers beside bindings: typed buckets and promises, sagas, log lines.

#[golem::worker]
mod library {
    use golem::Promise;
    use golem::kv::{Bucket, Error};
    use golem::transaction::{fallible, infallible, operation};
    use serde::{Deserialize, Serialize};
    use std::time::Duration;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Score {
        points: u32,
        note: Option<String>,
    }

    /// Writes, reads, exchanges and removes values, and tells what it found.
    pub fn buckets() -> Result<Vec<String>, String> {
        told().map_err(|error| error.to_string())
    }

    fn told() -> Result<Vec<String>, Error> {
        let bucket = Bucket::open("scores")?;
        let ten = Score { points: 10, note: Some("é".to_owned()) };
        let twenty = Score { points: 20, note: None };
        let mut told = vec![format!("{:?}", bucket.get::<Score>("ada")?)];
        bucket.set("ada", &ten)?;
        told.push(format!("{:?} {}", bucket.get::<Score>("ada")?, bucket.exists("ada")?));
        told.push(format!("{}", bucket.compare_and_swap("ada", Some(&twenty), &ten)?));
        told.push(format!("{}", bucket.compare_and_swap("ada", Some(&ten), &twenty)?));
        told.push(format!("{}", bucket.compare_and_swap("bob", None, &ten)?));
        let more = bucket.update("ada", |known: Option<Score>| Score {
            points: known.map_or(0, |s| s.points) + 1,
            note: None,
        })?;
        told.push(format!("{more:?}"));
        told.push(format!("{} {}", bucket.increment("games", 5)?, bucket.increment("games", -7)?));
        told.push(format!("{:?}", bucket.get::<i64>("games")?));
        bucket.set_many(&[("x", 1), ("y", 2)])?;
        told.push(format!("{:?} {:?}", bucket.get_many::<u8>(&["y", "z", "x"])?, bucket.keys()?));
        bucket.delete_many(&["x", "y", "ada"])?;
        bucket.delete("bob")?;
        bucket.delete("games")?;
        told.push(format!("{:?}", bucket.keys()?));
        bucket.set_bytes("raw", b"no JSON")?;
        told.push(bucket.get::<Score>("raw").expect_err("it is no JSON").to_string());
        told.push(format!("{:?}", bucket.increment("raw", 1).is_err()));
        bucket.delete("raw")?;
        Ok(told)
    }

    /// A promise that nobody completes in time, and then this worker itself.
    pub fn promises() -> Vec<String> {
        let promise: Promise<Score> = Promise::new();
        let mut told = vec![format!("{:?}", promise.wait_for(Duration::from_millis(1)).is_none())];
        told.push(format!("{:?}", promise.complete(&Score { points: 3, note: None }).ok()));
        told.push(format!("{:?}", promise.wait().ok()));
        told.push(format!("{:?}", promise.get().map(|value| value.ok())));
        told.push(format!("{:?}", promise.complete(&Score { points: 4, note: None }).ok()));
        let text: Promise<String> = Promise::new();
        golem::promise::complete(text.id(), b"no JSON");
        told.push(format!("{}", text.wait().is_err()));
        text.delete();
        promise.delete();
        told
    }

    /// Books a seat and pays for it; the seat is given back if the payment fails. Tells what is in the bucket then.
    pub fn book(card: String) -> Vec<String> {
        let reserve = operation(
            |seat: &String| note(&format!("reserve {seat}")),
            |seat, number| note(&format!("release {seat} {number}")).map(drop),
        );
        let pay = operation(
            |card: &String| {
                if card == "stolen" { Err("declined".to_owned()) } else { note(&format!("charge {card}")) }
            },
            |card, _| note(&format!("refund {card}")).map(drop),
        );
        let booked = fallible(|transaction| {
            let number = transaction.run(&reserve, "12a".to_owned())?;
            transaction.run(&pay, card)?;
            Ok(number)
        });
        let outcome = match booked {
            Ok(number) => format!("seat {number}"),
            Err(failure) => failure.to_string(),
        };
        notes(outcome)
    }

    /// Fails twice on the way, and succeeds.
    pub fn insist() -> Vec<String> {
        let knock = operation(|_: &()| note("knock"), |(), _| note("leave").map(drop));
        let attempts = infallible(Duration::from_millis(1), |transaction| {
            transaction.run(&knock, ())?;
            // What is in a bucket is not undone by going back: that is how this sees that it was here before.
            let attempts = tries().increment("tries", 1).map_err(|error| error.to_string())?;
            if attempts < 3 { Err("nobody opens".to_owned()) } else { Ok(attempts) }
        });
        tries().delete("tries").expect("a key can be removed");
        notes(format!("after {attempts}"))
    }

    fn tries() -> Bucket {
        Bucket::open("tries").expect("a bucket needs no creation")
    }

    /// Adds a line to what was done, and gives its number.
    fn note(line: &str) -> Result<i64, String> {
        let add = || {
            let notes = Bucket::open("notes")?;
            let number = notes.increment("count", 1)?;
            notes.set(&format!("note {number}"), line)?;
            Ok(number)
        };
        add().map_err(|error: Error| error.to_string())
    }

    /// All notes, which are then forgotten, and how it ended.
    fn notes(outcome: String) -> Vec<String> {
        let bucket = Bucket::open("notes").expect("a bucket needs no creation");
        let count: i64 = bucket.get("count").expect("it is a number").unwrap_or_default();
        let mut told = Vec::new();
        for number in 1..=count {
            let key = format!("note {number}");
            told.push(bucket.get(&key).expect("it is a text").unwrap_or_default());
            bucket.delete(&key).expect("a key can be removed");
        }
        bucket.delete("count").expect("a key can be removed");
        told.push(outcome);
        told
    }

    /// Writes lines of two levels, of which one is written.
    pub fn log_lines() {
        golem::logging::init(log::LevelFilter::Info);
        log::debug!("not this one");
        log::warn!(target: "library::door", "the {} is open", "door");
    }
}

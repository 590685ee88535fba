//! Features of the guest library beyond bindings: typed buckets and promises, sagas, log lines.

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

    /// Writes, reads, swaps and removes values; returns the results as lines.
    pub fn buckets() -> Result<Vec<String>, String> {
        bucket_lines().map_err(|error| error.to_string())
    }

    fn bucket_lines() -> Result<Vec<String>, Error> {
        let bucket = Bucket::open("scores")?;
        let ten = Score { points: 10, note: Some("é".to_owned()) };
        let twenty = Score { points: 20, note: None };
        let mut lines = vec![format!("{:?}", bucket.get::<Score>("ada")?)];
        bucket.set("ada", &ten)?;
        lines.push(format!("{:?} {}", bucket.get::<Score>("ada")?, bucket.exists("ada")?));
        lines.push(format!("{}", bucket.compare_and_swap("ada", Some(&twenty), &ten)?));
        lines.push(format!("{}", bucket.compare_and_swap("ada", Some(&ten), &twenty)?));
        lines.push(format!("{}", bucket.compare_and_swap("bob", None, &ten)?));
        let more = bucket.update("ada", |known: Option<Score>| Score {
            points: known.map_or(0, |s| s.points) + 1,
            note: None,
        })?;
        lines.push(format!("{more:?}"));
        lines.push(format!("{} {}", bucket.increment("games", 5)?, bucket.increment("games", -7)?));
        lines.push(format!("{:?}", bucket.get::<i64>("games")?));
        bucket.set_many(&[("x", 1), ("y", 2)])?;
        lines.push(format!("{:?} {:?}", bucket.get_many::<u8>(&["y", "z", "x"])?, bucket.keys()?));
        bucket.delete_many(&["x", "y", "ada"])?;
        bucket.delete("bob")?;
        bucket.delete("games")?;
        lines.push(format!("{:?}", bucket.keys()?));
        bucket.set_bytes("raw", b"no JSON")?;
        lines.push(bucket.get::<Score>("raw").expect_err("it is no JSON").to_string());
        lines.push(format!("{:?}", bucket.increment("raw", 1).is_err()));
        bucket.delete("raw")?;
        Ok(lines)
    }

    /// Waits for a promise until a timeout, then completes it itself.
    pub fn promises() -> Vec<String> {
        let promise: Promise<Score> = Promise::new();
        let mut lines = vec![format!("{:?}", promise.wait_for(Duration::from_millis(1)).is_none())];
        lines.push(format!("{:?}", promise.complete(&Score { points: 3, note: None }).ok()));
        lines.push(format!("{:?}", promise.wait().ok()));
        lines.push(format!("{:?}", promise.get().map(|value| value.ok())));
        lines.push(format!("{:?}", promise.complete(&Score { points: 4, note: None }).ok()));
        let text: Promise<String> = Promise::new();
        golem::promise::complete(text.id(), b"no JSON");
        lines.push(format!("{}", text.wait().is_err()));
        text.delete();
        promise.delete();
        lines
    }

    /// Books a seat and pays for it; the seat is released if the payment fails. Returns the notes in the bucket.
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

    /// Fails twice, then succeeds.
    pub fn insist() -> Vec<String> {
        let knock = operation(|_: &()| note("knock"), |(), _| note("leave").map(drop));
        let attempts = infallible(Duration::from_millis(1), |transaction| {
            transaction.run(&knock, ())?;
            // A jump back does not revert buckets, so the number counts the attempts.
            let attempts = tries().increment("tries", 1).map_err(|error| error.to_string())?;
            if attempts < 3 { Err("the door is closed".to_owned()) } else { Ok(attempts) }
        });
        tries().delete("tries").expect("a key can be removed");
        notes(format!("after {attempts}"))
    }

    fn tries() -> Bucket {
        Bucket::open("tries").expect("a bucket needs no creation")
    }

    /// Adds a line to the notes in the bucket and returns its number.
    fn note(line: &str) -> Result<i64, String> {
        let add = || {
            let notes = Bucket::open("notes")?;
            let number = notes.increment("count", 1)?;
            notes.set(&format!("note {number}"), line)?;
            Ok(number)
        };
        add().map_err(|error: Error| error.to_string())
    }

    /// Returns and removes all notes, followed by the outcome.
    fn notes(outcome: String) -> Vec<String> {
        let bucket = Bucket::open("notes").expect("a bucket needs no creation");
        let count: i64 = bucket.get("count").expect("it is a number").unwrap_or_default();
        let mut lines = Vec::new();
        for number in 1..=count {
            let key = format!("note {number}");
            lines.push(bucket.get(&key).expect("it is a text").unwrap_or_default());
            bucket.delete(&key).expect("a key can be removed");
        }
        bucket.delete("count").expect("a key can be removed");
        lines.push(outcome);
        lines
    }

    /// Logs lines with two levels, one of which is below the limit.
    pub fn log_lines() {
        golem::logging::init(log::LevelFilter::Info);
        log::debug!("not this one");
        log::warn!(target: "library::door", "the {} is open", "door");
    }
}

//! Sagas: steps in other systems that are undone, last one first, when a later one fails.
//!
//! A step is an [`Operation`]: what it does, and what undoes it. A worker that crashes between two steps, or in the middle
//! of undoing them, goes on where it was, as always; nothing more is needed.
//!
//! ```
//! use golem::transaction::{fallible, operation};
//!
//! # fn reserve_seat(seat: &str) -> Result<u32, String> { Ok(17) }
//! # fn release_seat(reservation: u32) -> Result<(), String> { Ok(()) }
//! # fn charge(card: &str) -> Result<(), String> { Err("declined".to_owned()) }
//! let reserve = operation(|seat: &String| reserve_seat(seat), |_, reservation| release_seat(reservation));
//! let pay = operation(|card: &String| charge(card), |_, ()| Ok(()));
//!
//! let booked = fallible(|transaction| {
//!     let reservation = transaction.run(&reserve, "12a".to_owned())?;
//!     transaction.run(&pay, "4242".to_owned())?;
//!     Ok(reservation)
//! });
//! // The seat is free again.
//! assert_eq!(booked.unwrap_err().to_string(), "declined; all steps before it were undone");
//! ```

use crate::durability;
use std::fmt;
use std::rc::Rc;

/// A step: what it does, and what undoes it.
pub struct Operation<In, Out, E> {
    execute: Box<Execute<In, Out, E>>,
    compensate: Rc<Compensate<In, Out, E>>,
}

type Execute<In, Out, E> = dyn Fn(&In) -> Result<Out, E>;
type Compensate<In, Out, E> = dyn Fn(In, Out) -> Result<(), E>;

impl<In, Out, E> fmt::Debug for Operation<In, Out, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").finish_non_exhaustive()
    }
}

/// A step that does `execute` and is undone by `compensate`, which gets what the step was given and what it returned.
pub fn operation<In, Out, E>(
    execute: impl Fn(&In) -> Result<Out, E> + 'static,
    compensate: impl Fn(In, Out) -> Result<(), E> + 'static,
) -> Operation<In, Out, E> {
    Operation { execute: Box::new(execute), compensate: Rc::new(compensate) }
}

/// The steps that were done so far.
pub struct Transaction<E> {
    done: Vec<Box<Undo<E>>>,
}

type Undo<E> = dyn FnOnce() -> Result<(), E>;

impl<E> fmt::Debug for Transaction<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("done", &self.done.len()).finish()
    }
}

impl<E: 'static> Transaction<E> {
    /// Does a step. It is undone if the transaction fails later; a step that fails has done nothing that would be.
    pub fn run<In, Out>(&mut self, operation: &Operation<In, Out, E>, input: In) -> Result<Out, E>
    where
        In: 'static,
        Out: Clone + 'static,
    {
        let output = (operation.execute)(&input)?;
        let (compensate, result) = (Rc::clone(&operation.compensate), output.clone());
        self.done.push(Box::new(move || compensate(input, result)));
        Ok(output)
    }

    /// Undoes all steps, the last one first, up to one that cannot be undone.
    fn undo(&mut self) -> Result<(), E> {
        while let Some(compensate) = self.done.pop() {
            compensate()?;
        }
        Ok(())
    }
}

/// Why a transaction came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure<E> {
    /// A step failed, and all steps before it were undone.
    Undone(E),
    /// A step failed, and one before it could not be undone: those before that one are still done.
    Stuck {
        /// Why the step failed.
        failed: E,
        /// Why the other one could not be undone.
        undoing: E,
        /// How many steps are still done, that one not counted.
        remaining: usize,
    },
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undone(error) => write!(f, "{error}; all steps before it were undone"),
            Self::Stuck { failed, undoing, remaining } => {
                write!(
                    f,
                    "{failed}; a step before it could not be undone: {undoing}; {remaining} more are still done"
                )
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Failure<E> {}

/// Runs `body`; if it returns an error, the steps that it did are undone, and the error is returned.
pub fn fallible<R, E: 'static>(
    body: impl FnOnce(&mut Transaction<E>) -> Result<R, E>,
) -> Result<R, Failure<E>> {
    let mut transaction = Transaction { done: Vec::new() };
    match body(&mut transaction) {
        Ok(result) => Ok(result),
        Err(failed) => match transaction.undo() {
            Ok(()) => Err(Failure::Undone(failed)),
            Err(undoing) => Err(Failure::Stuck { failed, undoing, remaining: transaction.done.len() }),
        },
    }
}

/// Runs `body` until it succeeds: if it returns an error, the steps that it did are undone, the worker goes back to the
/// beginning of the transaction, and it runs again after `pause`.
///
/// # Panics
/// When a step cannot be undone. The invocation then fails, and is tried again by its retry policy from where it was.
pub fn infallible<R, E: fmt::Display + 'static>(
    pause: std::time::Duration,
    body: impl FnOnce(&mut Transaction<E>) -> Result<R, E>,
) -> R {
    let begin = durability::oplog_index();
    let mut transaction = Transaction { done: Vec::new() };
    match body(&mut transaction) {
        Ok(result) => result,
        Err(failed) => {
            if let Err(undoing) = transaction.undo() {
                panic!("a step failed ({failed}), and one before it cannot be undone: {undoing}");
            }
            std::thread::sleep(pause);
            // Memory is again what it was, so that `body` finds everything as the first time.
            durability::jump(begin)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    type Log = Rc<RefCell<Vec<String>>>;

    fn step(log: &Log, name: &'static str, undoable: bool) -> Operation<u32, u32, String> {
        let (doing, undoing) = (Rc::clone(log), Rc::clone(log));
        operation(
            move |input: &u32| {
                doing.borrow_mut().push(format!("{name} {input}"));
                if *input == 0 { Err(format!("{name} refused")) } else { Ok(input * 10) }
            },
            move |input, output| {
                undoing.borrow_mut().push(format!("undo {name} {input} {output}"));
                if undoable { Ok(()) } else { Err(format!("{name} stays")) }
            },
        )
    }

    /// Runs three steps with these inputs.
    fn check(inputs: [u32; 3], undoable: [bool; 3], expected: &Result<u32, Failure<String>>, story: &[&str]) {
        let log = Log::default();
        let [a, b, c] = [0, 1, 2].map(|at| step(&log, ["a", "b", "c"][at], undoable[at]));
        let result = fallible(|transaction| {
            let first = transaction.run(&a, inputs[0])?;
            let second = transaction.run(&b, inputs[1])?;
            Ok(first + second + transaction.run(&c, inputs[2])?)
        });
        assert_eq!(&result, expected);
        assert_eq!(*log.borrow(), story);
    }

    #[test]
    fn steps_are_done_in_order_and_undone_in_reverse() {
        let all = [true; 3];
        check([1, 2, 3], all, &Ok(60), &["a 1", "b 2", "c 3"]);
        let undone = |error: &str| Err(Failure::Undone(error.to_owned()));
        check([0, 2, 3], all, &undone("a refused"), &["a 0"]);
        check([1, 2, 0], all, &undone("c refused"), &["a 1", "b 2", "c 0", "undo b 2 20", "undo a 1 10"]);
    }

    #[test]
    fn a_step_that_stays_is_said() {
        let stuck =
            Failure::Stuck { failed: "c refused".to_owned(), undoing: "b stays".to_owned(), remaining: 1 };
        assert_eq!(
            stuck.to_string(),
            "c refused; a step before it could not be undone: b stays; 1 more are still done"
        );
        check([1, 2, 0], [true, false, true], &Err(stuck), &["a 1", "b 2", "c 0", "undo b 2 20"]);
    }
}

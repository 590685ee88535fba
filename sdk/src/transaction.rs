//! Transactions over several systems (sagas): if a step fails, the steps before it are undone in reverse order.
//!
//! A step is an [`Operation`]. It consists of an action and of a compensation, which undoes the action. A worker that
//! crashes between two steps, or while it undoes steps, continues at the same place.
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

/// A step of a transaction: an action and the compensation that undoes it.
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

/// Creates a step with the action `execute` and the compensation `compensate`. The compensation gets the input and the
/// output of the action.
pub fn operation<In, Out, E>(
    execute: impl Fn(&In) -> Result<Out, E> + 'static,
    compensate: impl Fn(In, Out) -> Result<(), E> + 'static,
) -> Operation<In, Out, E> {
    Operation { execute: Box::new(execute), compensate: Rc::new(compensate) }
}

/// A running transaction. It holds the compensations of the steps that have succeeded.
pub struct Transaction<E> {
    compensations: Vec<Box<Compensation<E>>>,
}

type Compensation<E> = dyn FnOnce() -> Result<(), E>;

impl<E> fmt::Debug for Transaction<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("done", &self.compensations.len()).finish()
    }
}

impl<E: 'static> Transaction<E> {
    /// Executes a step.
    ///
    /// If the transaction fails later, the step's compensation runs. The compensation of a step that returns an error
    /// does not run, so such a step must have no effect.
    pub fn run<In, Out>(&mut self, operation: &Operation<In, Out, E>, input: In) -> Result<Out, E>
    where
        In: 'static,
        Out: Clone + 'static,
    {
        let output = (operation.execute)(&input)?;
        let (compensate, result) = (Rc::clone(&operation.compensate), output.clone());
        self.compensations.push(Box::new(move || compensate(input, result)));
        Ok(output)
    }

    /// Runs the compensations in reverse order. Stops at the first one that fails.
    fn compensate(&mut self) -> Result<(), E> {
        while let Some(compensate) = self.compensations.pop() {
            compensate()?;
        }
        Ok(())
    }
}

/// The reason why a transaction failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionError<E> {
    /// A step failed, and all steps before it were undone. Contains the error of the step.
    Compensated(E),
    /// A step failed, and the compensation of an earlier step failed too. The steps before that one are not undone.
    CompensationFailed {
        /// Error of the failed step.
        error: E,
        /// Error of the failed compensation.
        compensation_error: E,
        /// Number of steps that are not undone, without the step whose compensation failed.
        remaining: usize,
    },
}

impl<E: fmt::Display> fmt::Display for TransactionError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compensated(error) => write!(f, "{error}; all steps before it were undone"),
            Self::CompensationFailed { error, compensation_error, remaining } => {
                write!(f, "{error}; a step before it could not be undone: {compensation_error}; ")?;
                write!(f, "{remaining} more are still done")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for TransactionError<E> {}

/// Runs `body` as a transaction. If `body` returns an error, the executed steps are undone and the error is returned.
pub fn fallible<R, E: 'static>(
    body: impl FnOnce(&mut Transaction<E>) -> Result<R, E>,
) -> Result<R, TransactionError<E>> {
    let mut transaction = Transaction { compensations: Vec::new() };
    match body(&mut transaction) {
        Ok(result) => Ok(result),
        Err(error) => match transaction.compensate() {
            Ok(()) => Err(TransactionError::Compensated(error)),
            Err(compensation_error) => Err(TransactionError::CompensationFailed {
                error,
                compensation_error,
                remaining: transaction.compensations.len(),
            }),
        },
    }
}

/// Runs `body` as a transaction until it succeeds.
///
/// If `body` returns an error, the executed steps are undone. After `pause`, the worker is reverted to the beginning
/// of the transaction and `body` runs again.
///
/// # Panics
/// If a compensation fails. The attempt of the invocation then fails, and the retry policy applies. A retry first
/// replays the recorded calls.
pub fn infallible<R, E: fmt::Display + 'static>(
    pause: std::time::Duration,
    body: impl FnOnce(&mut Transaction<E>) -> Result<R, E>,
) -> R {
    let begin = durability::oplog_index();
    let mut transaction = Transaction { compensations: Vec::new() };
    match body(&mut transaction) {
        Ok(result) => result,
        Err(error) => {
            if let Err(compensation_error) = transaction.compensate() {
                panic!("a step failed ({error}), and one before it cannot be undone: {compensation_error}");
            }
            std::thread::sleep(pause);
            // The jump restores the memory from before the transaction, so every run of `body` begins with the same
            // state.
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
        let (executed, compensated) = (Rc::clone(log), Rc::clone(log));
        operation(
            move |input: &u32| {
                executed.borrow_mut().push(format!("{name} {input}"));
                if *input == 0 { Err(format!("{name} refused")) } else { Ok(input * 10) }
            },
            move |input, output| {
                compensated.borrow_mut().push(format!("undo {name} {input} {output}"));
                if undoable { Ok(()) } else { Err(format!("{name} stays")) }
            },
        )
    }

    /// Runs three steps with these inputs.
    fn check(
        inputs: [u32; 3],
        undoable: [bool; 3],
        expected: &Result<u32, TransactionError<String>>,
        expected_log: &[&str],
    ) {
        let log = Log::default();
        let [a, b, c] = [0, 1, 2].map(|at| step(&log, ["a", "b", "c"][at], undoable[at]));
        let result = fallible(|transaction| {
            let first = transaction.run(&a, inputs[0])?;
            let second = transaction.run(&b, inputs[1])?;
            Ok(first + second + transaction.run(&c, inputs[2])?)
        });
        assert_eq!(&result, expected);
        assert_eq!(*log.borrow(), expected_log);
    }

    #[test]
    fn steps_are_done_in_order_and_undone_in_reverse() {
        let all = [true; 3];
        check([1, 2, 3], all, &Ok(60), &["a 1", "b 2", "c 3"]);
        let undone = |error: &str| Err(TransactionError::Compensated(error.to_owned()));
        check([0, 2, 3], all, &undone("a refused"), &["a 0"]);
        check([1, 2, 0], all, &undone("c refused"), &["a 1", "b 2", "c 0", "undo b 2 20", "undo a 1 10"]);
    }

    #[test]
    fn a_failed_compensation_is_reported() {
        let stuck = TransactionError::CompensationFailed {
            error: "c refused".to_owned(),
            compensation_error: "b stays".to_owned(),
            remaining: 1,
        };
        assert_eq!(
            stuck.to_string(),
            "c refused; a step before it could not be undone: b stays; 1 more are still done"
        );
        check([1, 2, 0], [true, false, true], &Err(stuck), &["a 1", "b 2", "c 0", "undo b 2 20"]);
    }
}

//! A worker that is generated from a WIT file, and waits for promises that the WIT does not mention.

#![deny(warnings)]

use golem::*;
use std::cell::RefCell;

thread_local! {
    static ITEMS: RefCell<Vec<Item>> = const { RefCell::new(Vec::new()) };
}

struct Cart;

#[golem::worker(wit = "wit", world = "cart")]
impl Guest for Cart {
    fn add(item: Item) -> u32 {
        if item.name == "approval" {
            let promise_id = golem_create_promise();
            println!("promise {promise_id}");
            golem_await_promise(&promise_id);
        }
        ITEMS.with_borrow_mut(|items| {
            items.push(item);
            items.iter().map(|item| item.count).sum()
        })
    }

    fn items() -> Vec<Item> {
        ITEMS.with_borrow(Vec::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted() {
        assert_eq!(Cart::add(Item { name: "tea".to_owned(), count: 2 }), 2);
        assert_eq!(Cart::items().len(), 1);
    }
}

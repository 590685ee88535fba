//! One worker for each customer's shopping cart.
//!
//! The cart is a struct in memory. A payment that takes days is one call that waits for a promise.

#[golem::worker]
mod shopping_cart {
    use golem::{PromiseId, promise};

    /// A product in the cart, with its quantity.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ProductItem {
        pub product_id: String,
        pub name: String,
        /// The price of one unit.
        pub price: f32,
        pub quantity: u32,
    }

    #[derive(Debug, PartialEq)]
    pub struct OrderConfirmation {
        pub order_id: String,
    }

    /// The result of a checkout.
    #[derive(Debug, PartialEq)]
    pub enum CheckoutResult {
        /// The reason why no order was placed. The cart is unchanged.
        Error(String),
        /// The order was placed. The cart is empty.
        Success(OrderConfirmation),
    }

    #[derive(Default)]
    pub struct ShoppingCart {
        user_id: String,
        items: Vec<ProductItem>,
        payment: Option<PromiseId>,
    }

    impl ShoppingCart {
        /// Creates an empty cart for a user.
        pub fn initialize_cart(&mut self, user_id: String) {
            *self = Self { user_id, ..Self::default() };
        }

        /// Adds an item to the cart. If the product is in the cart already, adds to its quantity.
        pub fn add_item(&mut self, item: ProductItem) {
            match self.items.iter_mut().find(|known| known.product_id == item.product_id) {
                Some(known) => known.quantity = known.quantity.saturating_add(item.quantity),
                None => self.items.push(item),
            }
        }

        /// Removes a product from the cart.
        pub fn remove_item(&mut self, product_id: String) {
            self.items.retain(|item| item.product_id != product_id);
        }

        /// Sets the quantity of a product in the cart; 0 removes it.
        pub fn update_item_quantity(&mut self, product_id: String, quantity: u32) {
            if let Some(item) = self.items.iter_mut().find(|item| item.product_id == product_id) {
                item.quantity = quantity;
            }
            self.items.retain(|item| item.quantity > 0);
        }

        /// Returns the items in the cart, in the order in which they were added.
        pub fn get_cart_contents(&self) -> Vec<ProductItem> {
            self.items.clone()
        }

        /// Requests a checkout: returns the index of the promise that the payment service must complete.
        ///
        /// Another call before `checkout` returns the same index.
        pub fn request_checkout(&mut self) -> Result<u64, String> {
            if self.items.is_empty() {
                return Err("the cart is empty".to_owned());
            }
            Ok(self.payment.get_or_insert_with(promise::create).oplog_idx)
        }

        /// Waits until the payment service completes the promise, without a time limit.
        ///
        /// The bytes `approved` place the order; any other bytes are the reason why it was declined. Without a
        /// preceding `request_checkout` this creates the promise. The promise is printed, so that `golem worker
        /// connect` shows it.
        pub fn checkout(&mut self) -> CheckoutResult {
            if let Err(reason) = self.request_checkout() {
                return CheckoutResult::Error(reason);
            }
            match self.payment.take() {
                Some(payment) => {
                    println!("{} pays {:.2}", self.user_id, self.total());
                    println!("promise {payment}");
                    let answer = promise::wait(&payment);
                    self.settle(&payment, &answer)
                }
                None => CheckoutResult::Error("there is nothing to pay".to_owned()),
            }
        }

        fn settle(&mut self, payment: &PromiseId, answer: &[u8]) -> CheckoutResult {
            if answer != b"approved" {
                return CheckoutResult::Error(format!("declined: {}", String::from_utf8_lossy(answer)));
            }
            self.items.clear();
            // The index of a promise is unique in a worker, so the order id is unique in a cart.
            CheckoutResult::Success(OrderConfirmation { order_id: format!("order-{}", payment.oplog_idx) })
        }

        fn total(&self) -> f64 {
            self.items.iter().map(|item| f64::from(item.price) * f64::from(item.quantity)).sum()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn item(product_id: &str, quantity: u32) -> ProductItem {
            ProductItem { product_id: product_id.to_owned(), name: "Tea".to_owned(), price: 2.5, quantity }
        }

        fn cart(items: &[ProductItem]) -> ShoppingCart {
            let mut cart = ShoppingCart::default();
            cart.initialize_cart("ada".to_owned());
            items.iter().cloned().for_each(|item| cart.add_item(item));
            cart
        }

        fn payment() -> PromiseId {
            "7a3d6f2e-0c41-4a6b-9d3f-5b1e8c2a9f10/ada@10".parse().unwrap()
        }

        #[test]
        fn items_are_added_changed_and_removed() {
            let mut cart = cart(&[item("a", 1), item("b", 2), item("a", 3)]);
            assert_eq!(cart.get_cart_contents(), [item("a", 4), item("b", 2)]);
            assert!((cart.total() - 15.0).abs() < 1e-9);
            cart.update_item_quantity("b".to_owned(), 5);
            cart.update_item_quantity("c".to_owned(), 5);
            cart.remove_item("a".to_owned());
            assert_eq!(cart.get_cart_contents(), [item("b", 5)]);
            cart.update_item_quantity("b".to_owned(), 0);
            assert_eq!(cart.get_cart_contents(), []);
        }

        #[test]
        fn an_approved_payment_places_the_order() {
            let mut cart = cart(&[item("a", 1)]);
            let placed = CheckoutResult::Success(OrderConfirmation { order_id: "order-10".to_owned() });
            assert_eq!(cart.settle(&payment(), b"approved"), placed);
            assert_eq!(cart.get_cart_contents(), []);
        }

        #[test]
        fn a_declined_payment_leaves_the_cart() {
            let mut cart = cart(&[item("a", 1)]);
            let declined = CheckoutResult::Error("declined: card expired".to_owned());
            assert_eq!(cart.settle(&payment(), b"card expired"), declined);
            assert_eq!(cart.get_cart_contents(), [item("a", 1)]);
        }

        #[test]
        fn an_empty_cart_is_not_checked_out() {
            assert_eq!(cart(&[]).checkout(), CheckoutResult::Error("the cart is empty".to_owned()));
        }
    }
}

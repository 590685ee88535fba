//! One worker for each customer's shopping cart. What is in its struct survives every crash.

#[golem::worker(package = "{{package}}")]
mod cart {
    use golem::kv::Bucket;
    use golem::{PromiseId, promise};

    /// Something to buy, and how often.
    #[derive(Clone)]
    pub struct ProductItem {
        pub product_id: String,
        pub name: String,
        /// The price of one.
        pub price: f32,
        pub quantity: u32,
    }

    pub struct OrderConfirmation {
        pub order_id: String,
    }

    /// How a checkout ended.
    pub enum CheckoutResult {
        /// Why there is no order. The cart is as it was.
        Error(String),
        /// The order was placed. The cart is empty again.
        Success(OrderConfirmation),
    }

    #[derive(Default)]
    pub struct Cart {
        items: Vec<ProductItem>,
        payment: Option<PromiseId>,
    }

    impl Cart {
        /// Begins an empty cart for a user.
        pub fn initialize_cart(&mut self, user_id: String) {
            *self = Self::default();
            println!("a cart for {user_id}");
        }

        /// Puts an item into the cart. One that is there already becomes more.
        pub fn add_item(&mut self, item: ProductItem) {
            match self.items.iter_mut().find(|known| known.product_id == item.product_id) {
                Some(known) => known.quantity += item.quantity,
                None => self.items.push(item),
            }
        }

        /// Takes a product out of the cart.
        pub fn remove_item(&mut self, product_id: String) {
            self.items.retain(|item| item.product_id != product_id);
        }

        /// Changes how many of a product are in the cart; 0 takes it out.
        pub fn update_item_quantity(&mut self, product_id: String, quantity: u32) {
            if let Some(item) = self.items.iter_mut().find(|item| item.product_id == product_id) {
                item.quantity = quantity;
            }
            self.items.retain(|item| item.quantity > 0);
        }

        /// What is in the cart, in the order in which it was added.
        pub fn get_cart_contents(&self) -> Vec<ProductItem> {
            self.items.clone()
        }

        /// Announces a checkout: the index of the promise that the payment service is to complete.
        pub fn request_checkout(&mut self) -> Result<u64, String> {
            if self.items.is_empty() {
                return Err("the cart is empty".to_owned());
            }
            Ok(self.payment.get_or_insert_with(promise::create).oplog_idx)
        }

        /// Waits until the payment service has completed the promise. The bytes `approved` place the order.
        pub fn checkout(&mut self) -> CheckoutResult {
            if let Err(reason) = self.request_checkout() {
                return CheckoutResult::Error(reason);
            }
            let payment = self.payment.take().unwrap_or_else(promise::create);
            let answer = promise::wait(&payment);
            if answer != b"approved" {
                return CheckoutResult::Error(format!("declined: {}", String::from_utf8_lossy(&answer)));
            }
            orders().increment("placed", 1).expect("the number of orders is a number");
            self.items.clear();
            CheckoutResult::Success(OrderConfirmation { order_id: format!("order-{}", payment.oplog_idx) })
        }

        /// How many orders all carts of the project have placed together: a number in a bucket that they share.
        pub fn orders_placed(&self) -> u64 {
            let placed = orders().get("placed").expect("the number of orders is a number");
            placed.unwrap_or_default()
        }
    }

    fn orders() -> Bucket {
        Bucket::open("orders").expect("a bucket needs no creation")
    }
}

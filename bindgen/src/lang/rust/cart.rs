//! Each worker is the shopping cart of one customer. The fields of the struct survive crashes.

#[golem::worker(package = "{{package}}")]
mod cart {
    use golem::kv::Bucket;
    use golem::{PromiseId, promise};

    /// A product and its quantity.
    #[derive(Clone)]
    pub struct ProductItem {
        pub product_id: String,
        pub name: String,
        /// The price of one unit.
        pub price: f32,
        pub quantity: u32,
    }

    pub struct OrderConfirmation {
        pub order_id: String,
    }

    /// The result of a checkout.
    pub enum CheckoutResult {
        /// The order was not placed, with the reason. The cart is unchanged.
        Error(String),
        /// The order was placed. The cart is empty now.
        Success(OrderConfirmation),
    }

    #[derive(Default)]
    pub struct Cart {
        items: Vec<ProductItem>,
        payment: Option<PromiseId>,
    }

    impl Cart {
        /// Starts an empty cart for a user.
        pub fn initialize_cart(&mut self, user_id: String) {
            *self = Self::default();
            println!("a cart for {user_id}");
        }

        /// Adds an item to the cart. If the product is there already, its quantity increases.
        pub fn add_item(&mut self, item: ProductItem) {
            match self.items.iter_mut().find(|known| known.product_id == item.product_id) {
                Some(known) => known.quantity += item.quantity,
                None => self.items.push(item),
            }
        }

        /// Removes a product from the cart.
        pub fn remove_item(&mut self, product_id: String) {
            self.items.retain(|item| item.product_id != product_id);
        }

        /// Sets the quantity of a product in the cart; 0 removes the product.
        pub fn update_item_quantity(&mut self, product_id: String, quantity: u32) {
            if let Some(item) = self.items.iter_mut().find(|item| item.product_id == product_id) {
                item.quantity = quantity;
            }
            self.items.retain(|item| item.quantity > 0);
        }

        /// Returns the items in the order in which they were added.
        pub fn get_cart_contents(&self) -> Vec<ProductItem> {
            self.items.clone()
        }

        /// Requests a checkout. Returns the oplog index of the promise that the payment service must complete.
        pub fn request_checkout(&mut self) -> Result<u64, String> {
            if self.items.is_empty() {
                return Err("the cart is empty".to_owned());
            }
            Ok(self.payment.get_or_insert_with(promise::create).oplog_idx)
        }

        /// Waits until the payment service has completed the promise. The data `approved` places the order.
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

        /// Returns the number of orders that all carts of the project have placed. It is stored in a shared bucket.
        pub fn orders_placed(&self) -> u64 {
            let placed = orders().get("placed").expect("the number of orders is a number");
            placed.unwrap_or_default()
        }
    }

    fn orders() -> Bucket {
        Bucket::open("orders").expect("a bucket needs no creation")
    }
}

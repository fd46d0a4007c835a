//! A limit order book: ordinary Rust, with a resource for each order.

#![no_std]

extern crate alloc;

use alloc::{
    collections::BTreeMap,
    rc::Rc,
    string::{String, ToString},
    vec::Vec,
};
use core::cell::{Cell, RefCell};

#[global_allocator]
static HEAP: miden_cvm_guest::Heap = miden_cvm_guest::Heap::new();

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

wit_bindgen::generate!({ path: "book.wit", world: "book", generate_all });

use bank::ledger::ledger;
use exports::market::book::orders::{Fill, Guest, GuestOrder, Level, Order, Refusal, Side};
use market::token::token;

/// An order that stands in the book, or has stood there.
struct Standing {
    trader: String,
    account: u32,
    open: Cell<u32>,
}

/// Orders of one side: by price, the oldest of a price first.
#[derive(Default)]
struct Orders(BTreeMap<u32, Vec<Rc<Standing>>>);

impl Orders {
    /// Prices from the best on: the highest that is paid, or the lowest that is taken.
    fn prices(&self, side: Side) -> Vec<u32> {
        let prices = self.0.keys().copied();
        match side {
            Side::Buy => prices.rev().collect(),
            Side::Sell => prices.collect(),
        }
    }

    /// Forgets orders that are not open any more.
    fn clean(&mut self) {
        self.0.retain(|_, orders| {
            orders.retain(|order| order.open.get() > 0);
            !orders.is_empty()
        });
    }
}

#[derive(Default)]
struct State {
    accounts: BTreeMap<String, u32>,
    bids: Orders,
    asks: Orders,
}

impl State {
    fn side(&mut self, side: Side) -> &mut Orders {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

/// The book of this instance: nothing here runs at the same time as anything else.
struct Book(RefCell<Option<State>>);

// SAFETY: an instance has one thread.
unsafe impl Sync for Book {}

static BOOK: Book = Book(RefCell::new(None));

fn with_state<T>(work: impl FnOnce(&mut State) -> T) -> T {
    work(BOOK.0.borrow_mut().get_or_insert_default())
}

struct Component;

/// The account that a handle stands for.
struct Handle(Rc<Standing>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.open.set(0);
        with_state(|state| {
            state.bids.clean();
            state.asks.clean();
        });
    }
}

impl GuestOrder for Handle {
    fn open(&self) -> u32 {
        self.0.open.get()
    }

    fn trader(&self) -> String {
        self.0.trader.clone()
    }
}

impl Guest for Component {
    type Order = Handle;

    fn register(trader: String, account: u32) {
        with_state(|state| state.accounts.insert(trader, account));
    }

    fn place(
        trader: String,
        side: Side,
        price: u32,
        quantity: u32,
    ) -> Result<(Order, Vec<Fill>), Refusal> {
        if quantity == 0 {
            return Err(Refusal::NoQuantity);
        }
        if price == 0 {
            return Err(Refusal::NoPrice);
        }
        with_state(|state| {
            let account = *state.accounts.get(&trader).ok_or(Refusal::UnknownTrader)?;
            let order = Rc::new(Standing {
                trader,
                account,
                open: Cell::new(quantity),
            });
            let (opposite, meets): (Side, fn(u32, u32) -> bool) = match side {
                Side::Buy => (Side::Sell, |price, offered| offered <= price),
                Side::Sell => (Side::Buy, |price, wanted| wanted >= price),
            };
            let mut fills = Vec::new();
            let others = state.side(opposite);
            for at in others.prices(opposite) {
                if order.open.get() == 0 || !meets(price, at) {
                    break;
                }
                for maker in others.0.get(&at).into_iter().flatten() {
                    let quantity = order.open.get().min(maker.open.get());
                    if quantity > 0 && settle(&order, maker, side, at, quantity) {
                        order.open.set(order.open.get() - quantity);
                        maker.open.set(maker.open.get() - quantity);
                        fills.push(Fill {
                            maker: maker.trader.to_string(),
                            price: at,
                            quantity,
                        });
                    }
                }
            }
            others.clean();
            if order.open.get() > 0 {
                let own = state.side(side);
                own.0.entry(price).or_default().push(order.clone());
            }
            Ok((Order::new(Handle(order)), fills))
        })
    }

    fn levels(side: Side) -> Vec<Level> {
        with_state(|state| {
            let orders = state.side(side);
            let prices = orders.prices(side);
            let levels = prices.into_iter().map(|price| Level {
                price,
                quantity: orders.0[&price].iter().map(|order| order.open.get()).sum(),
            });
            levels.collect()
        })
    }
}

/// Moves tokens from the buyer to the seller, and writes it down. Without money there is no trade.
fn settle(taker: &Standing, maker: &Standing, side: Side, price: u32, quantity: u32) -> bool {
    let (buyer, seller) = match side {
        Side::Buy => (taker, maker),
        Side::Sell => (maker, taker),
    };
    let amount = u64::from(price) * u64::from(quantity);
    let is_paid = token::transfer(buyer.account, seller.account, amount);
    if is_paid {
        ledger::post(seller.account, buyer.account, quantity, 0);
    }
    is_paid
}

export!(Component);

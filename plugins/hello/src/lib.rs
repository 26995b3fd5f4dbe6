use bulla::prelude::*;

/// An order that has no number yet.
#[data]
struct Order {
    id: String,
    date: Date,
}

/// The order with its number, for ever.
#[data]
struct Placed {
    order: String,
    number: String,
}

/// Gives an order the next number of the tenant's sequence `orders`.
#[action]
fn place(call: &Call, order: Order) -> Result<Placed> {
    if order.id.is_empty() {
        return Err(Error::new("order-id-missing", "an order needs an id"));
    }
    let object = format!("order/{}", order.id);
    let number = call.sequence("orders")?.reserve_on(&order.date)?;
    let number = number.commit(&object)?;
    call.audit("order.placed", &object, &[("number", &number)])?;
    Ok(Placed { order: order.id, number })
}

bulla::addon!(place);

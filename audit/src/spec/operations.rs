//! The operations that constraints and messages take, by their names.

use std::fmt::Write;

use miden_cvm_air::{
    symbolic::{Operation, Value},
    table::Table,
};

/// Counts of operations of the base field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    products: usize,
    sums: usize,
}

/// The operations of a table that were counted already: what several need is counted where it is
/// needed first.
struct Counted<'a> {
    nodes: &'a [Operation],
    is_counted: Vec<bool>,
    total: Count,
}

impl Counted<'_> {
    /// The operations that these values take beyond those before.
    fn add(&mut self, values: &[Value]) -> Count {
        let before = self.total;
        let mut open: Vec<u32> = values.iter().filter_map(node_of).collect();
        while let Some(node) = open.pop() {
            if std::mem::replace(&mut self.is_counted[node as usize], true) {
                continue;
            }
            let operation = self.nodes[node as usize];
            match operation {
                Operation::Input(_) => {}
                Operation::Mul(..) | Operation::Scale(..) => self.total.products += 1,
                Operation::Add(..) | Operation::Sub(..) => self.total.sums += 1,
                Operation::Shift(..) | Operation::SubFrom(..) => self.total.sums += 1,
            }
            open.extend(operation.operands());
        }
        Count {
            products: self.total.products - before.products,
            sums: self.total.sums - before.sums,
        }
    }
}

fn node_of(value: &Value) -> Option<u32> {
    match *value {
        Value::Constant(_) => None,
        Value::Node(node) => Some(node),
    }
}

/// The operations that each family of constraints and each message of every table takes on a row:
/// products and sums of the base field, without what combines them in an extension field.
pub fn report() -> String {
    let mut text = String::from(
        "Products and sums of the base field a row, by constraint and by message. What several need is counted\n\
         where it is needed first. Combining them in an extension field is not in here.\n",
    );
    for table in Table::ALL {
        let recorded = table.declaration();
        let mut counted = Counted {
            nodes: &recorded.nodes,
            is_counted: vec![false; recorded.nodes.len()],
            total: Count::default(),
        };
        let mut lines: Vec<(&str, usize, Count)> = Vec::new();
        for constraint in &recorded.constraints {
            let count = counted.add(&[constraint.value]);
            match lines.last_mut() {
                Some((family, members, sum)) if *family == constraint.family => {
                    *members += 1;
                    sum.products += count.products;
                    sum.sums += count.sums;
                }
                _ => lines.push((constraint.family, 1, count)),
            }
        }
        let of_constraints = counted.total;
        for message in &recorded.messages {
            let mut values = vec![message.flag, message.count];
            values.extend(&message.coordinates);
            let mut count = counted.add(&values);
            // Each coordinate is multiplied by the flag, and added to those of the slot.
            count.products += message.coordinates.len();
            count.sums += message.coordinates.len() + 1;
            lines.push((message.name, message.coordinates.len(), count));
        }
        let sum = |of: fn(&Count) -> usize| -> usize { lines.iter().map(|line| of(&line.2)).sum() };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "\n{}: {} products and {} sums, of which {} and {} are of constraints",
            table.name(),
            sum(|count| count.products),
            sum(|count| count.sums),
            of_constraints.products,
            of_constraints.sums,
        );
        lines.sort_by_key(|(_, _, count)| std::cmp::Reverse(count.products + count.sums));
        for (name, members, Count { products, sums }) in lines {
            let _ = writeln!(text, "{products:>6} {sums:>6}  {name} ({members})");
        }
    }
    text
}

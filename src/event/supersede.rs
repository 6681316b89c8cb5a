//! Removes pending requests that a newer one replaces.

use std::collections::VecDeque;

/// Removes the pending items that a new one replaces, except those up to and including the last item that must stay in
/// order with the new one.
pub(crate) fn supersede<T>(
    pending: &mut VecDeque<T>,
    keeps_order: impl FnMut(&T) -> bool,
    mut is_replaced: impl FnMut(&T) -> bool,
) {
    let kept = pending.iter().rposition(keeps_order).map_or(0, |last| last + 1);
    let mut position = 0;
    pending.retain(|item| {
        position += 1;
        position <= kept || !is_replaced(item)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_items_after_the_last_ordered_one_are_replaced() {
        let mut pending = VecDeque::from([1, 9, 1, 2, 9, 1, 2, 1]);
        supersede(&mut pending, |item| *item == 9, |item| *item == 1);
        assert_eq!(pending, [1, 9, 1, 2, 9, 2]);
        supersede(&mut pending, |_| false, |item| *item == 1);
        assert_eq!(pending, [9, 2, 9, 2]);
    }
}

//! Shapes of rules. The shape of a rule is the set of conditions that it has.

/// A set of conditions, as bits.
pub(super) type Shape = u8;

pub(super) const NAME: Shape = 1;
pub(super) const EXE: Shape = 2;
pub(super) const UID: Shape = 4;
pub(super) const ANCESTOR: Shape = 8;
pub(super) const PID: Shape = 16;

/// A set of shapes, as bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shapes(u32);

impl Shapes {
    /// Returns the set of all shapes that have this condition.
    pub(super) const fn with_condition(condition: Shape) -> Self {
        let (mut shapes, mut shape) = (0, 0);
        while shape < u32::BITS {
            if shape & condition as u32 != 0 {
                shapes |= 1 << shape;
            }
            shape += 1;
        }
        Self(shapes)
    }

    pub(super) const fn intersects(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    pub(super) const fn difference(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(super) const fn add(&mut self, shape: Shape) {
        self.0 |= 1 << shape;
    }

    pub(super) const fn remove(&mut self, shape: Shape) {
        self.0 &= !(1 << shape);
    }

    pub(super) fn iter(mut self) -> impl Iterator<Item = Shape> {
        std::iter::from_fn(move || {
            let first = self.0.trailing_zeros();
            self.0 &= self.0.checked_sub(1)?;
            Some(first as Shape)
        })
    }
}

//! How hard the `/proc` source looks.

/// How hard the reader looks for short-lived processes where the kernel does not report them: wake-ups against short
/// lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Effort {
    /// 100 wake-ups a second while processes start, and 4 otherwise. For processes that live 10 ms and longer.
    Low,
    /// 1,000 wake-ups a second while processes start, and 10 otherwise; 200 where the opening of programs cannot be watched. For
    /// processes that live 1 ms and longer.
    #[default]
    Normal,
    /// 1,000 wake-ups a second, and 4,000 while processes start.
    High,
}

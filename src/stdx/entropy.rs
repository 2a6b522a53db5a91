//! Random bytes from the operating system by way of aws-lc; refuses to return weak ones.

use aws_lc_rs::rand;

/// `N` bytes from the approved random generator (NIST SP 800-90A, as aws-lc implements it).
///
/// # Panics
/// If the operating system has no randomness to give: there is no safe way on from there.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    rand::fill(&mut out).expect("the operating system provides randomness");
    out
}

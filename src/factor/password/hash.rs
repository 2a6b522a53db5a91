//! Peppered Argon2id and the line of text it is kept as; knows nothing of who chose the password, or when.

use crate::stdx::digest::{Mac, same};
use crate::stdx::entropy;
use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, KeyId, Params, ParamsBuilder, PasswordHash, Version};
use zeroize::Zeroizing;

/// Bytes of a hash.
const HASH: usize = 32;

/// Bytes of a salt: RFC 9106 §3.1 recommends 16 for passwords.
const SALT: usize = 16;

/// The most that a kept hash may ask for, so that a damaged record cannot ask for all memory or for an hour. 64 MiB and
/// four lanes are the second recommended choice of RFC 9106 §4; its three passes leave room to be raised.
const MAX_KIB: u32 = 64 * 1024;
const MAX_PASSES: u32 = 10;
const MAX_LANES: u32 = 4;

/// 19 MiB, two passes, one lane: among the choices that OWASP's password storage cheat sheet holds equally strong, one
/// that leaves memory and cores to the traffic during a burst of sign-ins.
pub(super) fn default_cost() -> Params {
    Params::new(19 * 1024, 2, 1, Some(HASH)).expect("the numbers are within Argon2's limits")
}

/// Makes and checks hashes, at the current cost and under the current pepper.
#[derive(Clone)]
pub(super) struct Hasher {
    /// The current cost, marked with the current pepper's id.
    current: Params,
    /// Current first.
    peppers: Vec<(KeyId, Mac)>,
}

/// A password's hash, with all that is needed to compute it again but the pepper.
#[derive(Clone)]
pub(super) struct Hash {
    /// Cost, and the id of the pepper.
    params: Params,
    salt: Salt,
    output: [u8; HASH],
}

/// The memory that one thread fills for each hash, allocated once.
pub(super) struct Memory(Vec<Block>);

impl Hasher {
    /// Hashes at `cost` under `pepper`.
    pub fn new(cost: Params, pepper: Mac) -> Self {
        let id = id(&pepper);
        let mut current = ParamsBuilder::new();
        current.m_cost(cost.m_cost()).t_cost(cost.t_cost()).p_cost(cost.p_cost()).output_len(HASH).keyid(id);
        let current = current.build().expect("the cost was within Argon2's limits before the id was added");
        Hasher { current, peppers: vec![(id, pepper)] }
    }

    /// Checks, but no longer makes, hashes under `pepper` as well.
    pub fn add_previous(&mut self, pepper: Mac) {
        self.peppers.push((id(&pepper), pepper));
    }

    /// How many blocks of memory a hash at the current cost takes.
    pub fn blocks(&self) -> usize {
        self.current.block_count()
    }

    /// Reads what [`Hash::to_state`] wrote; `None` if it is damaged, dearer than the limits, or its pepper is gone.
    pub fn parse(&self, state: &[u8]) -> Option<Hash> {
        let text = std::str::from_utf8(state).ok()?;
        let hash = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let ours = hash.algorithm == ARGON2ID_IDENT && hash.version == Some(Version::V0x13.into());
        let bounded = params.m_cost() <= MAX_KIB && params.t_cost() <= MAX_PASSES && params.p_cost() <= MAX_LANES;
        let known = self.pepper(&params).is_some();
        let output = hash.hash?.as_bytes().try_into().ok()?;
        let salt = hash.salt?;
        (ours && bounded && known).then_some(Hash { params, salt, output })
    }

    /// Whether `hash` is of `password`.
    pub fn fits(&self, hash: &Hash, password: &str, memory: &mut Memory) -> bool {
        self.compute(&hash.params, &hash.salt, password, memory).is_some_and(|output| same(&output, &hash.output))
    }

    /// Whether a hash made now would have the same cost and pepper as `hash`.
    pub fn is_current(&self, hash: &Hash) -> bool {
        hash.params == self.current
    }

    /// A fresh hash of `password`.
    pub fn make(&self, password: &str, memory: &mut Memory) -> Hash {
        let salt = fresh_salt();
        let output = self.compute(&self.current, &salt, password, memory).expect("the current pepper is known");
        Hash { params: self.current.clone(), salt, output }
    }

    /// A hash that costs what a current one costs, and that no password fits.
    pub fn decoy(&self) -> Hash {
        Hash { params: self.current.clone(), salt: fresh_salt(), output: entropy::bytes() }
    }

    fn compute(&self, params: &Params, salt: &Salt, password: &str, memory: &mut Memory) -> Option<[u8; HASH]> {
        let peppered = Zeroizing::new(self.pepper(params)?.tag(&[password.as_bytes()]));
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut out = [0; HASH];
        let blocks = memory.blocks(params.block_count());
        argon2.hash_password_into_with_memory(&peppered[..], salt.as_ref(), &mut out, blocks).ok()?;
        Some(out)
    }

    fn pepper(&self, params: &Params) -> Option<&Mac> {
        self.peppers.iter().find(|(id, _)| id.as_bytes() == params.keyid()).map(|(_, mac)| mac)
    }
}

impl Hash {
    /// The line that is kept, in the PHC string format: `$argon2id$v=19$m=…,t=…,p=…,keyid=…$salt$hash`.
    pub fn to_state(&self) -> Vec<u8> {
        let line = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).expect("four short parameters fit"),
            salt: Some(self.salt),
            hash: Some(Output::new(&self.output).expect("32 bytes are an output's length")),
        };
        line.to_string().into_bytes()
    }
}

impl Memory {
    /// Room for `blocks` blocks of 1 KiB.
    pub fn new(blocks: usize) -> Self {
        Memory(vec![Block::new(); blocks])
    }

    /// `count` blocks. Grows, up to [`MAX_KIB`], if a hash was kept at a higher cost than the current one.
    fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            self.0.resize(count, Block::new());
        }
        &mut self.0[..count]
    }
}

/// Tells peppers apart in kept hashes without telling anything of them.
fn id(pepper: &Mac) -> KeyId {
    // Two parts, where a password is one: the id is no password's tag.
    let tag = pepper.tag(&[b"pepper", b"id"]);
    KeyId::new(&tag[..4]).expect("four bytes fit into a key id")
}

fn fresh_salt() -> Salt {
    Salt::new(&entropy::bytes::<SALT>()).expect("16 bytes are a salt's length")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A cost for tests, of `passes`.
    pub fn cheap_cost(passes: u32) -> Params {
        Params::new(64, passes, 1, Some(HASH)).expect("within Argon2's limits")
    }

    fn hasher(pepper: u8) -> Hasher {
        Hasher::new(cheap_cost(1), Mac::new(&[pepper; 32]))
    }

    fn kept(hash: &Hash) -> String {
        String::from_utf8(hash.to_state()).expect("text")
    }

    #[test]
    fn a_kept_hash_says_how_it_was_made() {
        let hash = Hasher::new(default_cost(), Mac::new(&[1; 32])).decoy();
        assert!(kept(&hash).starts_with("$argon2id$v=19$m=19456,t=2,p=1,keyid="), "{}", kept(&hash));
    }

    #[test]
    fn a_kept_hash_reads_back_and_fits_its_password_alone() {
        let (hasher, mut memory) = (hasher(1), Memory::new(64));
        let hash = hasher.parse(&hasher.make("quartz", &mut memory).to_state()).expect("reads back");
        assert!(hasher.is_current(&hash));
        assert!(hasher.fits(&hash, "quartz", &mut memory));
        assert!(!hasher.fits(&hash, "Quartz", &mut memory));
        assert!(!hasher.fits(&hasher.decoy(), "quartz", &mut memory));
    }

    #[test]
    fn one_password_hashed_twice_gives_two_hashes() {
        let (hasher, mut memory) = (hasher(1), Memory::new(64));
        assert_ne!(kept(&hasher.make("quartz", &mut memory)), kept(&hasher.make("quartz", &mut memory)));
    }

    #[test]
    fn a_hash_under_an_unknown_pepper_is_not_read() {
        assert!(hasher(2).parse(&hasher(1).decoy().to_state()).is_none());
    }

    #[test]
    fn a_hash_of_another_kind_or_beyond_the_limits_is_not_read() {
        let line = kept(&hasher(1).decoy());
        assert!(hasher(1).parse(line.as_bytes()).is_some());
        let swaps = [
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("m=64", "m=65537"),
            ("m=64", "m=4294967295"),
            ("t=1", "t=11"),
            ("p=1", "p=5"),
            ("t=1", "t=0"),
        ];
        for (from, to) in swaps {
            assert!(hasher(1).parse(line.replace(from, to).as_bytes()).is_none(), "{to}");
        }
        for length in 0..line.len() {
            assert!(hasher(1).parse(&line.as_bytes()[..length]).is_none(), "{length} bytes");
        }
    }

    #[test]
    fn memory_grows_for_a_dearer_hash() {
        let dear = Hasher::new(Params::new(256, 1, 2, Some(HASH)).expect("within limits"), Mac::new(&[1; 32]));
        let mut memory = Memory::new(64);
        let hash = dear.make("quartz", &mut memory);
        assert!(hasher(1).fits(&hash, "quartz", &mut Memory::new(64)));
        assert!(!hasher(1).is_current(&hash));
    }

    /// A test of the reference implementation: 256 KiB, two passes, one lane.
    #[test]
    fn argon2id_as_called_here_is_the_published_one() {
        let mut out = [0; HASH];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(256, 2, 1, None).expect("limits"));
        let mut memory = Memory::new(256);
        argon2
            .hash_password_into_with_memory(b"password", b"somesalt", &mut out, memory.blocks(256))
            .expect("within limits");
        let hex = data_encoding::HEXLOWER.encode(&out);
        assert_eq!(hex, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
    }
}

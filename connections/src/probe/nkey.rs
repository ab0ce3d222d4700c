//! NKeys: the keys of NATS, which are Ed25519 in base32.
//!
//! <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth>

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use subrosa_engine::secret::SecretValue;
use zeroize::Zeroizing;

/// First bits of a seed.
const SEED: u8 = 18 << 3;
/// First bits of the key of a user.
const USER: u8 = 20 << 3;

/// A key pair of a user.
pub(super) struct Nkey(Ed25519KeyPair);

impl Nkey {
    /// Reads a seed, `SU...`; nothing if it is none.
    pub(super) fn parse(seed: &[u8]) -> Option<Nkey> {
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(seed.trim_ascii()).ok()?);
        let (body, sum) = bytes.split_last_chunk::<2>()?;
        let (head, key) = body.split_first_chunk::<2>()?;
        // Three bits less: the kind of key stands across both bytes.
        let kind = ((head[0] & 0b111) << 5) | (head[1] >> 3);
        let is_seed = head[0] & 0b1111_1000 == SEED && kind == USER;
        if !is_seed || u16::from_le_bytes(*sum) != checksum(body) {
            return None;
        }
        Ed25519KeyPair::from_seed_unchecked(key).ok().map(Nkey)
    }

    /// The public key, `U...`.
    pub(super) fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend_from_slice(self.0.public_key().as_ref());
        bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
        BASE32_NOPAD.encode(&bytes)
    }

    /// A signature of the server's nonce.
    pub(super) fn sign(&self, nonce: &str) -> String {
        BASE64URL_NOPAD.encode(self.0.sign(nonce.as_bytes()).as_ref())
    }
}

/// JWT and seed of a `.creds` file; nothing if it is none.
pub(super) fn credentials(file: &SecretValue) -> Option<(SecretValue, Nkey)> {
    #[expect(clippy::disallowed_methods, reason = "read to log in")]
    let bytes = file.expose();
    let after = |mark: &[u8]| {
        let mut lines = bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
        lines.find(|line| line.windows(mark.len()).any(|part| part == mark))?;
        lines.find(|line| !line.is_empty())
    };
    let jwt = after(b"BEGIN NATS USER JWT")?;
    let key = Nkey::parse(after(b"BEGIN USER NKEY SEED")?)?;
    Some((SecretValue::new(jwt.to_vec()), key))
}

/// CRC-16 of XMODEM.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum: u16, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use subrosa_engine::secret::SecretValue;

    use super::{Nkey, checksum, credentials};

    /// The pair in the documentation of NATS.
    const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    #[test]
    fn seeds_are_read_and_checked() {
        assert_eq!(Nkey::parse(SEED.as_bytes()).unwrap().public(), PUBLIC);
        for bad in ["", "SU", "SUAAAAAA", &SEED.replace("SUA", "SUB"), &SEED.to_lowercase(), PUBLIC]
        {
            assert!(Nkey::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert_eq!(checksum(b"123456789"), 0x31c3);
    }

    #[test]
    fn a_credentials_file_has_a_jwt_and_a_seed() {
        let file = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        );
        let check = |text: &str, expected| {
            let found = credentials(&SecretValue::new(text.as_bytes().to_vec()));
            assert_eq!(found.map(|(_, key)| key.public()).as_deref(), expected);
        };
        check(&file, Some(PUBLIC));
        check(&file.replace("NKEY SEED", "NKEY"), None);
        check("", None);
    }
}

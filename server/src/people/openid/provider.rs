//! The provider: where it is to be asked what, and its keys, as it tells both.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use subrosa_http::{
    Address, Answer, Call, FaultKind, HeaderMap, HeaderValue, Http, HttpSettings, Method, Roots,
    StatusCode, Tls, Url, header, sensitive,
};
use tokio::sync::Mutex;
use zeroize::{Zeroize as _, Zeroizing};

use super::OpenIdError;
use super::flows::{Flow, Flows};
use crate::people::jwt::{Claims, Expected, JwtError, Keys, verify};
use crate::settings::{Admit, OpenIdSettings};
use crate::shelf::read_bytes;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// After so long it is asked again what it tells of itself.
const AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// After so long, if a token is signed with a key that is not known.
const PAUSE: Duration = Duration::from_secs(30);
/// After a failure, nobody asks it for so long.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// Where people come back to.
pub(crate) const RETURN_PATH: &str = "/login/callback";

/// An OpenID provider.
pub(crate) struct Provider {
    pub(super) settings: OpenIdSettings,
    pub(super) flows: Flows,
    address: Address,
    http: Http,
    redirect: String,
    /// What proves to it who we are, as a header.
    proof: Option<HeaderValue>,
    known: Mutex<Asked>,
}

/// What it told, if it did when it was asked last.
#[derive(Default)]
struct Asked {
    known: Option<Arc<Known>>,
    failed: Option<Instant>,
}

/// What it last told of itself.
struct Known {
    places: Places,
    keys: Keys,
    read: Instant,
}

#[derive(Deserialize)]
struct Places {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.id_token.zeroize();
        self.access_token.zeroize();
    }
}

impl Provider {
    /// With these settings; people come back to `base`. Reads files: not for async threads.
    pub(crate) fn new(settings: OpenIdSettings, base: &str) -> Result<Provider, OpenIdError> {
        let wrong = |why: String| OpenIdError::Settings(why);
        let address = Address::parse(&settings.issuer)
            .map_err(|why| wrong(format!("`issuer` is no provider: {why}")))?;
        if !address.is_encrypted() && !address.is_loopback() {
            return Err(wrong("`issuer` is reached without TLS".to_owned()));
        }
        if settings.admit == Admit::Groups
            && (settings.groups.is_empty() || settings.groups_claim.is_none())
        {
            let why = "nobody could come in: name `groups_claim` and `groups`, or say \
                       `admit = \"everybody\"`";
            return Err(wrong(why.to_owned()));
        }
        let roots = match &settings.ca_cert {
            _ if !address.is_encrypted() => Roots::None,
            Some(path) => Roots::File(path.clone()),
            None => Roots::System,
        };
        let tls = Tls { roots, identity: None };
        let http = Http::new(&HttpSettings { tls, proxy: None, timeout: TIMEOUT })
            .map_err(|error| wrong(error.to_string()))?;
        let proof = settings.client_secret_file.as_deref();
        let proof = proof.map(|file| proof_in(file, &settings.client_id)).transpose()?;
        let redirect = format!("{base}{RETURN_PATH}");
        let (flows, known) = (Flows::default(), Mutex::default());
        Ok(Provider { settings, flows, address, http, redirect, proof, known })
    }

    /// What the button says.
    pub(crate) fn label(&self) -> String {
        let label = self.settings.label.clone();
        label.unwrap_or_else(|| {
            let text = self.address.to_string();
            let host = text.split("://").nth(1).unwrap_or(&text);
            host.split('/').next().unwrap_or(host).to_owned()
        })
    }

    /// Where a browser is sent to sign in.
    pub(crate) async fn begin(&self, browser: &str) -> Result<String, OpenIdError> {
        let known = self.known(AGE_MAX).await?;
        let mut url = self.place(&known.places.authorization_endpoint)?;
        let scopes = self.settings.scopes.iter().map(String::as_str);
        let scope: Vec<&str> = std::iter::once("openid").chain(scopes).collect();
        self.flows.begin(browser, |state, flow| {
            let challenge = Sha256::digest(flow.verifier.text().as_bytes());
            url.query_pairs_mut()
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.settings.client_id)
                .append_pair("redirect_uri", &self.redirect)
                .append_pair("scope", &scope.join(" "))
                .append_pair("state", state.text())
                .append_pair("nonce", flow.nonce.text())
                .append_pair("code_challenge", &BASE64URL_NOPAD.encode(&challenge))
                .append_pair("code_challenge_method", "S256");
        })?;
        Ok(url.into())
    }

    /// What the provider says of who came back with a code.
    pub(super) async fn claims(
        &self,
        code: &SecretString,
        flow: &Flow,
        said_issuer: Option<&str>,
        now: u64,
    ) -> Result<Claims, OpenIdError> {
        let known = self.known(AGE_MAX).await?;
        // An answer of another provider is not to be shown to this one.
        let is_said = known.places.authorization_response_iss_parameter_supported;
        let is_right = said_issuer.map_or(!is_said, |said| said == self.settings.issuer);
        if !is_right {
            return Err(OpenIdError::State);
        }
        let tokens = self.exchange(&known.places, code, flow).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            audience: &self.settings.client_id,
            is_for_any_client: false,
            nonce: Some(flow.nonce.text()),
            now,
        };
        let mut claims = self.verified(&tokens.id_token, &known, &expected).await?;
        let wanted = [Some(&self.settings.name_claim), self.settings.groups_claim.as_ref()];
        let is_whole = wanted.into_iter().flatten().all(|name| claims.get(name).is_some());
        if !is_whole && let Some(more) = self.more(&known.places, &tokens).await? {
            if more.get("sub").and_then(Value::as_str) != Some(claims.subject()) {
                return Err(OpenIdError::Answer("account of a user"));
            }
            claims.complete(more);
        }
        Ok(claims)
    }

    /// What a token of the provider says that is shown at a hook.
    pub(super) async fn shown(&self, token: &str, now: u64) -> Result<Claims, OpenIdError> {
        // What is no token asks nobody anything.
        if token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(JwtError::Malformed.into());
        }
        let known = self.known(AGE_MAX).await?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            audience: self.settings.hook_audience.as_ref().unwrap_or(&self.settings.client_id),
            // Whoever names an audience of its own has tokens made for it by other clients.
            is_for_any_client: self.settings.hook_audience.is_some(),
            nonce: None,
            now,
        };
        self.verified(token, &known, &expected).await
    }

    /// What a token says, with keys that are read anew if none fits.
    async fn verified(
        &self,
        token: &str,
        known: &Known,
        expected: &Expected<'_>,
    ) -> Result<Claims, OpenIdError> {
        match verify(token, &known.keys, expected) {
            Err(JwtError::UnknownKey) => {
                let fresh = self.known(PAUSE).await?;
                Ok(verify(token, &fresh.keys, expected)?)
            }
            verified => Ok(verified?),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the code goes to the provider that gave it")]
    async fn exchange(
        &self,
        places: &Places,
        code: &SecretString,
        flow: &Flow,
    ) -> Result<Tokens, OpenIdError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", &self.redirect),
            ("client_id", &self.settings.client_id),
            ("code_verifier", flow.verifier.text()),
        ];
        let body = serde_urlencoded::to_string(form).map_err(|_| OpenIdError::Answer("code"))?;
        let mut headers = json();
        headers.extend(self.proof.clone().map(|proof| (header::AUTHORIZATION, proof)));
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        let url = self.place(&places.token_endpoint)?;
        let body = Some(Zeroizing::new(body.into_bytes()));
        let answer = self.send(Call { method: Method::POST, url, headers, body }).await?;
        read(answer, "answer to a code")
    }

    /// What it tells of a user beside the token, if it does.
    async fn more(
        &self,
        places: &Places,
        tokens: &Tokens,
    ) -> Result<Option<Map<String, Value>>, OpenIdError> {
        let (Some(place), Some(token)) = (&places.userinfo_endpoint, &tokens.access_token) else {
            return Ok(None);
        };
        let shown = Zeroizing::new(format!("Bearer {token}").into_bytes());
        let mut headers = json();
        let shown = sensitive(shown).ok_or(OpenIdError::Answer("token"))?;
        headers.insert(header::AUTHORIZATION, shown);
        let url = self.place(place)?;
        let answer = self.send(Call { method: Method::GET, url, headers, body: None }).await?;
        read(answer, "account of a user").map(Some)
    }

    /// What it tells of itself, no older than this.
    async fn known(&self, age_max: Duration) -> Result<Arc<Known>, OpenIdError> {
        let mut asked = self.known.lock().await;
        if let Some(known) = &asked.known
            && known.read.elapsed() < age_max
        {
            return Ok(known.clone());
        }
        // Those who come while it is down do not wait for it one after the other.
        if asked.failed.is_some_and(|failed| failed.elapsed() < AFTER_FAILURE) {
            return Err(OpenIdError::Unreachable("could not be reached a moment ago"));
        }
        let fresh = self.read_known().await;
        asked.failed = fresh.is_err().then(Instant::now);
        let fresh = Arc::new(fresh?);
        asked.known = Some(fresh.clone());
        Ok(fresh)
    }

    /// What it tells of itself now.
    async fn read_known(&self) -> Result<Known, OpenIdError> {
        let base = self.settings.issuer.trim_end_matches('/');
        let places = self.get(&format!("{base}/.well-known/openid-configuration")).await?;
        let places: Places = read(places, "description of itself")?;
        if places.issuer != self.settings.issuer {
            return Err(OpenIdError::Answer("name of itself"));
        }
        let keys = self.get(&places.jwks_uri).await?;
        let keys = Keys::parse(&keys.body).map_err(|_| OpenIdError::Answer("list of keys"))?;
        Ok(Known { places, keys, read: Instant::now() })
    }

    async fn get(&self, place: &str) -> Result<Answer, OpenIdError> {
        let url = self.place(place)?;
        self.send(Call { method: Method::GET, url, headers: json(), body: None }).await
    }

    async fn send(&self, call: Call) -> Result<Answer, OpenIdError> {
        let sent = self.http.send(call).await;
        sent.map_err(|fault| {
            OpenIdError::Unreachable(match fault.kind() {
                FaultKind::Unavailable => "cannot be reached",
                FaultKind::Untrusted => "is not who it should be: its certificate is not trusted",
                FaultKind::TimedOut => "does not answer in time",
                FaultKind::Malformed => "answers what is not understood",
            })
        })
    }

    /// An address that the provider tells: over TLS, unless all of it is on this machine.
    fn place(&self, text: &str) -> Result<Url, OpenIdError> {
        let url = Url::parse(text).map_err(|_| OpenIdError::Answer("address"))?;
        let mut bare = url.clone();
        bare.set_query(None);
        let address = Address::parse(bare.as_str());
        let address = address.map_err(|_| OpenIdError::Answer("address"))?;
        let is_local = !self.address.is_encrypted() && address.is_loopback();
        match address.is_encrypted() || is_local {
            true => Ok(url),
            false => Err(OpenIdError::Answer("address")),
        }
    }
}

/// What proves who we are: the id and the secret of the client (RFC 6749, 2.3.1).
fn proof_in(file: &Path, id: &str) -> Result<HeaderValue, OpenIdError> {
    let wrong = |why: String| OpenIdError::Settings(format!("`client_secret_file`: {why}"));
    let bytes = read_bytes(file).map_err(|error| wrong(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| wrong(format!("{} is not there", file.display())))?;
    let bytes = Zeroizing::new(bytes);
    let secret = str::from_utf8(bytes.trim_ascii()).unwrap_or_default();
    if secret.is_empty() {
        return Err(wrong(format!("{} has no text in it", file.display())));
    }
    // Both as a form would have them: one field, whose name is the id.
    let form = serde_urlencoded::to_string([(id, secret)]).map(Zeroizing::new);
    let form = form.map_err(|_| wrong("it cannot be sent".to_owned()))?;
    let pair = Zeroizing::new(form.replacen('=', ":", 1));
    let encoded = Zeroizing::new(BASE64.encode(pair.as_bytes()));
    let shown = Zeroizing::new([b"Basic ", encoded.as_bytes()].concat());
    sensitive(shown).ok_or_else(|| wrong("it cannot be sent".to_owned()))
}

fn json() -> HeaderMap {
    let kind = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(header::ACCEPT, kind)])
}

fn read<T: DeserializeOwned>(answer: Answer, what: &'static str) -> Result<T, OpenIdError> {
    if answer.status != StatusCode::OK {
        return Err(OpenIdError::Answer(what));
    }
    serde_json::from_slice(&answer.body).map_err(|_| OpenIdError::Answer(what))
}

#[cfg(test)]
mod tests {
    use super::{OpenIdSettings, Provider};

    fn provider(issuer: &str, more: &str) -> Result<Provider, String> {
        let text = format!(r#"{{"issuer": "{issuer}", "client_id": "subrosa" {more}}}"#);
        let settings: OpenIdSettings = serde_json::from_str(&text).unwrap();
        Provider::new(settings, "http://127.0.0.1:1").map_err(|error| error.to_string())
    }

    const EVERYBODY: &str = r#", "admit": "everybody""#;

    #[test]
    fn a_provider_is_reached_over_tls_or_on_this_machine() {
        assert!(provider("https://id.example/realm", EVERYBODY).is_ok());
        assert!(provider("http://127.0.0.1:4711", EVERYBODY).is_ok());
        assert!(provider("http://id.example", EVERYBODY).is_err());
        assert!(provider("id.example", EVERYBODY).is_err());
        assert!(provider("https://user:pass@id.example", EVERYBODY).is_err());
    }

    #[test]
    fn settings_that_let_nobody_in_are_refused() {
        let groups = r#", "groups": {"ops": {"admin": true}}"#;
        let claim = r#", "groups_claim": "groups""#;
        assert!(provider("https://id.example", "").is_err());
        assert!(provider("https://id.example", groups).is_err());
        assert!(provider("https://id.example", claim).is_err());
        assert!(provider("https://id.example", &format!("{groups}{claim}")).is_ok());
    }

    #[test]
    fn what_proves_who_we_are_is_read_from_a_file_that_is_ours_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let room = tempfile::tempdir().unwrap();
        let file = room.path().join("secret");
        let check = |expected: Result<&str, &str>| {
            let proof = super::proof_in(&file, "a site").map_err(|error| error.to_string());
            match (proof, expected) {
                (Ok(proof), Ok(expected)) => {
                    assert!(proof.is_sensitive());
                    assert_eq!(proof.to_str().unwrap(), expected);
                }
                (Err(error), Err(part)) => {
                    assert!(error.contains(part) && !error.contains("canary"), "{error}");
                }
                (found, _) => panic!("{found:?}"),
            }
        };
        check(Err("is not there"));
        std::fs::write(&file, " canary: ä=\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        check(Err("644"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        // `a+site:canary%3A+%C3%A4%3D`
        check(Ok("Basic YStzaXRlOmNhbmFyeSUzQSslQzMlQTQlM0Q="));
        std::fs::write(&file, " \n").unwrap();
        check(Err("no text"));
    }

    #[test]
    fn what_it_tells_leads_to_no_server_without_tls() {
        let place =
            |issuer: &str, text: &str| provider(issuer, EVERYBODY).unwrap().place(text).is_ok();
        assert!(place("https://id.example", "https://keys.example/jwks?v=1"));
        assert!(!place("https://id.example", "http://id.example/jwks"));
        assert!(!place("https://id.example", "http://127.0.0.1/jwks"));
        assert!(!place("https://id.example", "file:///etc/passwd"));
        assert!(!place("https://id.example", "https://user:pass@id.example/"));
        assert!(place("http://127.0.0.1:1", "http://127.0.0.1:1/jwks"));
        assert!(!place("http://127.0.0.1:1", "http://id.example/jwks"));
    }

    #[test]
    fn the_button_names_the_provider() {
        assert_eq!(provider("https://id.example/realm", EVERYBODY).unwrap().label(), "id.example");
        let label = format!(r#"{EVERYBODY}, "label": "Example""#);
        assert_eq!(provider("https://id.example", &label).unwrap().label(), "Example");
    }
}

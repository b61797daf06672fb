//! One request to the hub: redirects, who gets the token, and what can go wrong.

use std::io::Read as _;
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::token::AccessToken;
use super::{Hear, Step};
use crate::error::Error;

/// Most redirects of one request.
const REDIRECTS: usize = 10;

/// Most tries without any progress.
const TRIES: u32 = 4;

/// Longest text that is read into memory.
const TEXT: u64 = 64 << 20;

/// Makes requests to one hub.
#[derive(Debug)]
pub(super) struct Caller {
    agent: Agent,
    /// Without a slash at its end.
    endpoint: String,
    origin: Uri,
    token: Option<AccessToken>,
    patience: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    /// The host it is from, where that is not the hub.
    elsewhere: Option<String>,
}

impl Answer {
    /// A header, where it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What a status means that is no success.
    pub(super) fn trouble(&self) -> NoAnswer {
        if let Some(host) = &self.elsewhere {
            return NoAnswer::Elsewhere(host.clone(), self.status);
        }
        NoAnswer::Status(self.status, self.header("x-error-code").unwrap_or_default().into())
    }
}

/// How far redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// To the end.
    All,
    /// Until the hub itself has said what the file is.
    UntilKnown,
}

/// Why there is no answer to use.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// There is no connection to this host.
    Unreachable(String, String),
    /// The connection ended, or nothing came through it.
    Broken(String),
    /// A status that is no success, and the hub's name for the reason.
    Status(u16, String),
    /// A status that is no success, of the host that the hub has sent us to.
    Elsewhere(String, u16),
    /// An answer that makes no sense.
    Strange(String),
}

impl NoAnswer {
    /// Whether it may be over in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(..) | Self::Broken(_) => true,
            Self::Status(status, _) => matches!(status, 408 | 429 | 500..),
            // The hub's permission to be there may have run out; the next try asks for another.
            Self::Elsewhere(_, status) => matches!(status, 403 | 408 | 429 | 500..),
            Self::Strange(_) => false,
        }
    }

    /// What it means for who asked, and what to do.
    pub(super) fn words(&self, caller: &Caller, repo: &str) -> String {
        let page = format!("{}/{repo}", caller.endpoint);
        let known = caller.token.is_some();
        let give = "give a token: HF_TOKEN or -hft";
        match self {
            Self::Unreachable(host, reason) => format!("{host} cannot be reached: {reason}"),
            Self::Broken(reason) => reason.clone(),
            Self::Strange(what) => {
                format!("{} answers with {what}: is it a hub? See HF_ENDPOINT", caller.endpoint)
            }
            Self::Elsewhere(host, status) => format!("{host} answers with HTTP {status}"),
            Self::Status(401 | 403, code) if code == "GatedRepo" && known => format!(
                "the model is gated, and the token's account has no access: accept its terms at {page} with \
                 that account"
            ),
            Self::Status(401 | 403, code) if code == "GatedRepo" => {
                format!("the model is gated: accept its terms at {page} and {give}")
            }
            Self::Status(401, _) if known => {
                "the token is not accepted, or its account may not see the repository (HTTP 401): check \
                 both, HF_TOKEN or -hft and the name"
                    .into()
            }
            Self::Status(401, _) => format!(
                "there is no such repository, or it is private (HTTP 401): check its name, or {give}"
            ),
            Self::Status(403, _) if known => format!(
                "the token does not allow it (HTTP 403): it needs the right to read this repository, and the \
                 terms at {page} must be accepted"
            ),
            Self::Status(403, _) => {
                format!("access is refused (HTTP 403): accept the terms at {page} and {give}")
            }
            Self::Status(404, code) if code == "EntryNotFound" => "there is no such file (HTTP 404)".into(),
            Self::Status(404, _) => "there is no such repository or file (HTTP 404): check its name".into(),
            Self::Status(status, _) => format!("{} answers with HTTP {status}", caller.endpoint),
        }
    }
}

impl Caller {
    /// For the hub at `endpoint`; a server that is silent for longer than `patience` is given up.
    pub(super) fn new(
        endpoint: &str,
        token: Option<AccessToken>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let endpoint = endpoint.trim().trim_end_matches('/').to_string();
        let wrong =
            || Error::Usage(format!("HF_ENDPOINT={endpoint}: this is no http or https address"));
        let origin: Uri = endpoint.parse().map_err(|_| wrong())?;
        if !matches!(origin.scheme_str(), Some("http" | "https")) || origin.host().is_none() {
            return Err(wrong());
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // By hand: a redirect must not take the token along.
            .max_redirects(0)
            .user_agent(concat!("lbench/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .timeout_per_write(Some(patience))
            .tls_config(TlsConfig::builder().root_certs(roots()).build());
        let agent = Agent::new_with_config(config.build());
        Ok(Self { agent, endpoint, origin, token, patience })
    }

    /// Where a file of a commit is.
    pub(super) fn address(&self, repo: &str, commit: &str, name: &str) -> String {
        let name: Vec<_> = name.split('/').map(escaped).collect();
        format!("{}/{repo}/resolve/{commit}/{}", self.endpoint, name.join("/"))
    }

    /// A text of the hub.
    pub(super) fn text(&self, path: &str) -> Result<String, NoAnswer> {
        let url = format!("{}/{path}", self.endpoint);
        let answer = self.call(&Method::GET, &url, &[], Follow::All)?;
        if answer.status != 200 {
            return Err(answer.trouble());
        }
        let mut text = Vec::new();
        let read = answer.body.into_reader().take(TEXT).read_to_end(&mut text);
        read.map_err(|error| NoAnswer::Broken(self.io_words(&error)))?;
        String::from_utf8(text).map_err(|_| NoAnswer::Strange("something that is no text".into()))
    }

    /// Makes a request and follows where it is sent. The token goes to the hub and to nobody else.
    pub(super) fn call(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&str, String)],
        follow: Follow,
    ) -> Result<Answer, NoAnswer> {
        let strange = |what: &str| NoAnswer::Strange(what.into());
        let mut at: Uri = url.parse().map_err(|_| strange("an address that is none"))?;
        for _ in 0..=REDIRECTS {
            let answer = self.once(method, &at, headers)?;
            let to = answer.header("location").filter(|_| (300..400).contains(&answer.status));
            let Some(to) = to else { return Ok(answer) };
            let next = join(&at, to).ok_or_else(|| strange("a redirect to nowhere"))?;
            let known = answer.headers.contains_key("x-linked-etag");
            if follow == Follow::UntilKnown && (known || !same_origin(&at, &next)) {
                return Ok(answer);
            }
            if at.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                return Err(strange("a redirect to where nothing is encrypted"));
            }
            at = next;
        }
        Err(strange("too many redirects"))
    }

    fn once(
        &self,
        method: &Method,
        at: &Uri,
        headers: &[(&str, String)],
    ) -> Result<Answer, NoAnswer> {
        let mut request = ureq::http::Request::builder().method(method).uri(at);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(token) = self.token.as_ref().filter(|_| same_origin(&self.origin, at)) {
            request = request.header("authorization", token.authorization());
        }
        // Bytes are counted and hashed as they are stored.
        let request = request.header("accept-encoding", "identity").body(());
        let request = request.map_err(|_| NoAnswer::Strange("an address that is none".into()))?;
        let response = self.agent.run(request).map_err(|error| self.trouble(at, &error))?;
        let (parts, body) = response.into_parts();
        let elsewhere = (!same_origin(&self.origin, at)).then(|| host(at));
        Ok(Answer { elsewhere, status: parts.status.as_u16(), headers: parts.headers, body })
    }

    fn trouble(&self, at: &Uri, error: &ureq::Error) -> NoAnswer {
        use std::io::ErrorKind;
        let host = host(at);
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
                NoAnswer::Unreachable(host, self.silence())
            }
            ureq::Error::Timeout(_) => NoAnswer::Broken(format!("{host}: {}", self.silence())),
            ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => {
                NoAnswer::Broken(format!("{host}: {}", self.silence()))
            }
            ureq::Error::Io(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                ) =>
            {
                NoAnswer::Broken(format!("{host}: the connection ended"))
            }
            ureq::Error::Protocol(_) => NoAnswer::Broken(format!("{host}: the connection ended")),
            error => NoAnswer::Unreachable(host, error.to_string()),
        }
    }

    /// What reading a body says when it does not go on.
    pub(super) fn io_words(&self, error: &std::io::Error) -> String {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        if matches!(inner, Some(ureq::Error::Timeout(_)))
            || error.kind() == std::io::ErrorKind::TimedOut
        {
            self.silence()
        } else {
            "the connection ended".into()
        }
    }

    fn silence(&self) -> String {
        format!("the server was silent for {} s", self.patience.as_secs())
    }

    /// Tries again, a few times, what may go right in a moment. Without any connection there is no point.
    pub(super) fn with_patience<T>(
        &self,
        repo: &str,
        hear: Hear<'_>,
        mut ask: impl FnMut(&Self) -> Result<T, NoAnswer>,
    ) -> Result<T, NoAnswer> {
        let mut tries = 0;
        loop {
            match ask(self) {
                Err(trouble)
                    if trouble.may_pass() && !matches!(trouble, NoAnswer::Unreachable(..)) =>
                {
                    if !wait(&mut tries) {
                        return Err(trouble);
                    }
                    hear(Step::Told(format!("{}; trying again", trouble.words(self, repo))));
                }
                other => return other,
            }
        }
    }
}

/// Waits before another try, each time longer; `false` when there have been enough of them.
pub(super) fn wait(tries: &mut u32) -> bool {
    *tries += 1;
    if *tries >= TRIES {
        return false;
    }
    std::thread::sleep(Duration::from_millis(250) * 2_u32.pow(*tries));
    true
}

/// Who is trusted: whom the system trusts, or, in a container that has no list, Mozilla's.
fn roots() -> RootCerts {
    let system = rustls_native_certs::load_native_certs().certs;
    if system.is_empty() {
        return RootCerts::WebPki;
    }
    let certificates = system.iter().map(|der| Certificate::from_der(der).to_owned());
    RootCerts::new_with_certs(&certificates.collect::<Vec<_>>())
}

/// Host and port, for a message.
fn host(at: &Uri) -> String {
    at.authority().map_or_else(String::new, ToString::to_string)
}

/// Whether two addresses are of the same server: scheme, host and port.
fn same_origin(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| {
        uri.port_u16().or(match uri.scheme_str() {
            Some("http") => Some(80),
            Some("https") => Some(443),
            _ => None,
        })
    };
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    (a.scheme_str(), host(a), port(a)) == (b.scheme_str(), host(b), port(b))
}

/// Where a redirect leads.
fn join(from: &Uri, to: &str) -> Option<Uri> {
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let whole = if to.contains("://") {
        to.to_string()
    } else if let Some(rest) = to.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if to.starts_with('/') {
        format!("{scheme}://{authority}{to}")
    } else {
        let (folder, _) = from.path().rsplit_once('/')?;
        format!("{scheme}://{authority}{folder}/{to}")
    };
    let uri: Uri = whole.parse().ok()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(uri)
}

/// A name as part of an address.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    name.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_they_say() {
        let from: Uri = "https://hub.example:8443/a/b?c".parse().unwrap();
        for (to, whole) in [
            ("http://cdn.example/x?y", Some("http://cdn.example/x?y")),
            ("//cdn.example/x", Some("https://cdn.example/x")),
            ("/x/y", Some("https://hub.example:8443/x/y")),
            ("y", Some("https://hub.example:8443/a/y")),
            ("file:///etc/passwd", None),
            ("ftp://x/y", None),
        ] {
            assert_eq!(join(&from, to).map(|uri| uri.to_string()).as_deref(), whole, "{to}");
        }
    }

    #[test]
    fn a_server_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| same_origin(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("https://Hub.example/a", "https://hub.example:443/b"));
        assert!(!same("https://hub.example", "http://hub.example"));
        assert!(!same("https://hub.example", "https://hub.example:8443"));
        assert!(!same("https://hub.example", "https://hub.example.evil.example"));
        assert!(!same("https://hub.example", "https://cdn.hub.example"));
    }

    #[test]
    fn names_become_addresses() {
        let caller = Caller::new("http://hub.example/", None, Duration::from_secs(1)).unwrap();
        assert_eq!(
            caller.address("u/m", "abc", "Q4 K/ä#1.gguf"),
            "http://hub.example/u/m/resolve/abc/Q4%20K/%C3%A4%231.gguf"
        );
        for wrong in ["hub.example", "ftp://hub.example", "/x", "http://"] {
            let error = Caller::new(wrong, None, Duration::from_secs(1)).unwrap_err().to_string();
            assert!(error.starts_with("HF_ENDPOINT="), "{error}");
        }
    }
}

//! A client of GitHub's device flow and user endpoints.

use super::json_client::{JsonClient, JsonResponse, ProviderError};
use super::{GitHubUser, LoginError};
use crate::config::{LoginSettings, SecretText};
use base64::Engine as _;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// The requested scope: the e-mail addresses, which are compared with the whitelist.
const OAUTH_SCOPE: &str = "user:email";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long to wait if GitHub limits the rate and does not say for how long.
const RATE_LIMIT_WAIT: Duration = Duration::from_mins(1);

/// GitHub's response to the start of a device login.
pub(super) struct DeviceCode {
    pub(super) secret: String,
    pub(super) user_code: String,
    pub(super) verification_uri: String,
    pub(super) expires_in: Duration,
    pub(super) interval: Duration,
}

/// State of a device login.
pub(super) enum DevicePoll {
    /// The person has confirmed; contains the access token.
    Confirmed(String),
    /// The person has not confirmed yet.
    Pending,
    /// The polls are too frequent; contains the new interval, if GitHub names one.
    SlowDown(Option<Duration>),
    /// The rate limit is exceeded; contains the time to wait.
    RateLimited(Duration),
}

/// A client of GitHub.
pub(super) struct GitHub {
    client: JsonClient,
    client_id: String,
    client_secret: SecretText,
    url: String,
    api_url: String,
}

impl GitHub {
    /// Creates the client from the settings.
    pub(super) fn new(settings: &LoginSettings) -> Result<Self, ProviderError> {
        Ok(Self {
            client: JsonClient::new(Duration::from_millis(settings.request_ms_max))?,
            client_id: settings.github_client_id.clone(),
            client_secret: settings.github_client_secret.clone(),
            url: parse_url(&settings.github_url)?,
            api_url: parse_url(&settings.github_api_url)?,
        })
    }

    /// Starts a device login.
    pub(super) async fn device_code(&self) -> Result<DeviceCode, LoginError> {
        let form = [("client_id", self.client_id.as_str()), ("scope", OAUTH_SCOPE)];
        let response = self.post("/login/device/code", &form).await?;
        let text = |name: &str| response.json[name].as_str().map(str::to_owned);
        let seconds = |name: &str| response.json[name].as_u64().map(Duration::from_secs);
        match (text("device_code"), text("user_code"), text("verification_uri"), seconds("expires_in")) {
            (Some(device_code), Some(user_code), Some(verification_uri), Some(expires_in)) => {
                Ok(DeviceCode {
                    secret: device_code,
                    user_code,
                    verification_uri,
                    expires_in,
                    // The standard's default (RFC 8628).
                    interval: seconds("interval").unwrap_or(Duration::from_secs(5)),
                })
            }
            _ => Err(unexpected_response("a device code", &response)),
        }
    }

    /// Polls once.
    pub(super) async fn poll(&self, device_code: &str) -> Result<DevicePoll, LoginError> {
        let form = [
            ("client_id", self.client_id.as_str()),
            ("device_code", device_code),
            ("grant_type", GRANT_TYPE),
        ];
        let response = self.post("/login/oauth/access_token", &form).await?;
        if let Some(token) = response.json["access_token"].as_str() {
            return Ok(DevicePoll::Confirmed(token.to_owned()));
        }
        match response.json["error"].as_str() {
            Some("authorization_pending") => Ok(DevicePoll::Pending),
            Some("slow_down") => {
                Ok(DevicePoll::SlowDown(response.json["interval"].as_u64().map(Duration::from_secs)))
            }
            Some("expired_token" | "token_expired") => {
                Err(LoginError::Refused("the code has expired; start the login again".to_owned()))
            }
            Some("access_denied") => Err(LoginError::Refused("you have refused it at GitHub".to_owned())),
            Some("incorrect_device_code") => Err(LoginError::Refused(
                "GitHub does not know the code any more; start the login again".to_owned(),
            )),
            _ => match rate_limit(&response) {
                Some(after) => Ok(DevicePoll::RateLimited(after)),
                None => Err(unexpected_response("the state of a login", &response)),
            },
        }
    }

    /// Checks that an access token was issued for our app. A token of another app does not prove that its owner wants
    /// to log in here. GitHub answers this only with the app's client secret, so without it nothing is checked.
    pub(super) async fn check_token(&self, token: &str) -> Result<(), LoginError> {
        if self.client_secret.reveal().is_empty() {
            return Ok(());
        }
        let basic = format!("{}:{}", self.client_id, self.client_secret.reveal());
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(basic));
        let body = json!({ "access_token": token }).to_string();
        let request = Request::post(format!(
            "{}/applications/{}/token",
            self.api_url,
            percent_encoded(&self.client_id)
        ))
        .header(header::CONTENT_TYPE, "application/json");
        let response = self.call(request, &basic, body).await?;
        match response.status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => Err(LoginError::Refused(
                "the access token was not made for the app that this server uses for logins".to_owned(),
            )),
            _ => Err(unexpected_response("the owner of an access token", &response)),
        }
    }

    /// The user that an access token belongs to.
    pub(super) async fn user(&self, token: &str) -> Result<GitHubUser, LoginError> {
        let bearer = format!("Bearer {token}");
        let get = |path: &str| Request::get(format!("{}{path}", self.api_url));
        let user = self.call(get("/user"), &bearer, String::new()).await?;
        if user.status == StatusCode::UNAUTHORIZED {
            return Err(LoginError::Refused("GitHub does not know the access token".to_owned()));
        }
        let (Some(id), Some(login)) = (user.json["id"].as_u64(), user.json["login"].as_str()) else {
            return Err(unexpected_response("a user", &user));
        };
        let name = user.json["name"].as_str().filter(|name| !name.trim().is_empty()).unwrap_or(login);
        let public = user.json["email"].as_str().map(str::to_owned);
        // Not every access token has the scope for the addresses, and few people publish one.
        let emails = self.call(get("/user/emails"), &bearer, String::new()).await?;
        let (email, confirmed) = match (emails.status, public) {
            (StatusCode::OK, _) => addresses(&emails.json),
            // GitHub lets people publish only verified addresses.
            (StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, public) if rate_limit(&emails).is_none() => {
                (public.clone().unwrap_or_default(), public.into_iter().collect())
            }
            _ => return Err(unexpected_response("e-mail addresses", &emails)),
        };
        Ok(GitHubUser { id, name: printable(name), email, confirmed })
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<JsonResponse, LoginError> {
        let pairs: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value)))
            .collect();
        let request = Request::post(format!("{}{path}", self.url))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.call(request, "", pairs.join("&")).await
    }

    async fn call(
        &self,
        request: http::request::Builder,
        authorization: &str,
        body: String,
    ) -> Result<JsonResponse, LoginError> {
        let mut request = request
            .header(header::ACCEPT, "application/json")
            // GitHub refuses requests without this header.
            .header(header::USER_AGENT, concat!("golem/", env!("CARGO_PKG_VERSION")));
        if !authorization.is_empty() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(Bytes::from(body)));
        // The access token comes from the caller and may contain characters that a header cannot.
        let request = request.map_err(|_| {
            LoginError::Refused("the access token contains characters that are not allowed".to_owned())
        })?;
        Ok(self.client.send(request).await?)
    }
}

/// The primary address and all verified addresses.
fn addresses(json: &Value) -> (String, Vec<String>) {
    let all = json.as_array().map(Vec::as_slice).unwrap_or_default();
    let verified = all.iter().filter(|entry| entry["verified"].as_bool() == Some(true));
    let confirmed: Vec<(bool, String)> = verified
        .filter_map(|entry| {
            let email = entry["email"].as_str()?;
            Some((entry["primary"].as_bool() == Some(true), email.to_owned()))
        })
        .collect();
    let primary = confirmed.iter().find(|(primary, _)| *primary).or(confirmed.first());
    let primary = primary.map(|(_, email)| email.clone()).unwrap_or_default();
    (primary, confirmed.into_iter().map(|(_, email)| email).collect())
}

/// A name without control characters, cut to the length of an account's name.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(255).collect()
}

/// How long to wait, if the response says that GitHub limits the rate.
fn rate_limit(response: &JsonResponse) -> Option<Duration> {
    let number = |name: &str| response.headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let after = number("retry-after").map(Duration::from_secs);
    let exhausted = number("x-ratelimit-remaining") == Some(0);
    let limited = match response.status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => exhausted || after.is_some(),
        _ => false,
    };
    limited.then(|| after.unwrap_or(RATE_LIMIT_WAIT))
}

/// The error for an unexpected response. Its text includes GitHub's explanation, which contains no secret.
fn unexpected_response(what: &str, response: &JsonResponse) -> LoginError {
    let mut text = format!("GitHub did not return {what}: status {}", response.status.as_u16());
    for field in ["error", "error_description", "message"] {
        if let Some(details) = response.json[field].as_str() {
            let details: String = details.chars().take(200).collect();
            write!(text, ", {details}").expect("writing to a String cannot fail");
        }
    }
    if let Some(after) = rate_limit(response) {
        write!(text, "; it limits this server, try again in {} s", after.as_secs())
            .expect("writing to a String cannot fail");
    }
    LoginError::External(text)
}

fn parse_url(url: &str) -> Result<String, ProviderError> {
    let invalid = |why: &str| ProviderError::Address { url: url.to_owned(), why: why.to_owned() };
    let uri: http::Uri = url.parse().map_err(|error: http::uri::InvalidUri| invalid(&error.to_string()))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
        return Err(invalid("write https://host"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Percent-encodes a text for a form.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_verified_addresses_count() {
        let all = json!([
            { "email": "old@x", "primary": true, "verified": false },
            { "email": "a@x", "primary": false, "verified": true },
            { "email": "b@x", "primary": true, "verified": true },
        ]);
        assert_eq!(addresses(&all), ("b@x".to_owned(), vec!["a@x".to_owned(), "b@x".to_owned()]));
        assert_eq!(addresses(&json!([])), (String::new(), Vec::new()));
        assert_eq!(addresses(&Value::Null), (String::new(), Vec::new()));
    }

    #[test]
    fn only_http_urls_are_accepted() {
        assert_eq!(parse_url("https://github.com/").unwrap(), "https://github.com");
        for bad in ["github.com", "ftp://x", "", "/x"] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
        assert_eq!(percent_encoded("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}

//! Sends HTTP requests with an unmodified client library from the registry.

#[golem::worker]
mod published_client {
    use waki::Client;

    /// Sends a GET; returns the status, a header and the body.
    pub fn get(url: String) -> Result<(u16, String, String), String> {
        let response = Client::new().get(&url).header("X-From", "waki").send().map_err(|e| e.to_string())?;
        let status = response.status_code();
        let header = response.header("x-answer").map(|v| v.to_str().unwrap_or_default().to_owned());
        let body = response.body().map_err(|error| error.to_string())?;
        Ok((status, header.unwrap_or_default(), String::from_utf8_lossy(&body).into_owned()))
    }

    /// Posts text; returns the status and the body.
    pub fn post(url: String, text: String) -> Result<(u16, String), String> {
        let request = Client::new().post(&url).body(text.into_bytes());
        let response = request.send().map_err(|error| error.to_string())?;
        let status = response.status_code();
        let body = response.body().map_err(|error| error.to_string())?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

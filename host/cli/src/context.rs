//! What every command starts from: the options before the command, the configuration, the way to the server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bulla_node::ServerFile;
use bulla_node::config::{self, Loaded};
use url::Url;

use crate::args::Global;
use crate::client::{Client, Token};
use crate::error::CliError;
use crate::output::Output;
use crate::private_file;

/// In the data directory: the operator's token, written by `bulla init`.
pub const TOKEN_FILE: &str = "operator.token";
/// The configuration file that is read when it stands in the data directory and no other was named.
const CONFIG_FILE: &str = "bulla.toml";

const TOKEN_VARIABLE: &str = "BULLA_TOKEN";

pub struct Context {
    pub output: Output,
    global: Global,
}

impl Context {
    pub fn new(global: Global) -> Self {
        Self { output: Output { json: global.json, quiet: global.quiet }, global }
    }

    /// File, environment, and `--data` over both.
    pub fn config(&self) -> Result<Loaded, CliError> {
        let mut environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        if let Some(data) = &self.global.data {
            environment.insert("BULLA_DATA_DIRECTORY".into(), data.display().to_string());
        }
        let data = environment.get("BULLA_DATA_DIRECTORY").map_or("bulla-data", String::as_str);
        let in_data = Path::new(data).join(CONFIG_FILE);
        let file = match &self.global.config {
            Some(file) => Some(file.clone()),
            None => in_data.is_file().then_some(in_data),
        };
        config::load(file.as_deref(), &environment).map_err(CliError::coded)
    }

    pub fn data_directory(&self) -> Result<PathBuf, CliError> {
        match &self.global.data {
            Some(data) => Ok(data.clone()),
            None => Ok(self.config()?.config.data.directory),
        }
    }

    /// The server that was named, else the one that runs on the data directory.
    pub fn client(&self) -> Result<Client, CliError> {
        let (url, token) = match &self.global.server {
            Some(url) => (url.clone(), self.given_token()?.or(self.token_for(url)?)),
            None => {
                let data = self.data_directory()?;
                let url = running(&data)?.ok_or_else(|| CliError::NoServer {
                    reason: format!("there is no `{}`", data.join(ServerFile::NAME).display()),
                })?;
                (url, self.given_token()?.or(operator_token(&data)?))
            }
        };
        if url.scheme() == "http" && token.is_some() && !is_loopback(&url) {
            self.output.say(format!("warning: the token goes to `{url}` unencrypted"));
        }
        Client::new(url, token)
    }

    fn given_token(&self) -> Result<Option<Token>, CliError> {
        if let Some(path) = &self.global.token_file {
            let text = std::fs::read_to_string(path).map_err(CliError::file("read", path))?;
            return Token::new(&text).map(Some);
        }
        match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => Token::new(&text).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The operator's token is only for the server of its own data directory: a URL alone does not get it.
    fn token_for(&self, url: &Url) -> Result<Option<Token>, CliError> {
        let Ok(data) = self.data_directory() else { return Ok(None) };
        match running(&data) {
            Ok(Some(own)) if own.origin() == url.origin() => operator_token(&data),
            _ => Ok(None),
        }
    }
}

/// The address of a data directory's server, if one wrote that it runs. It may have been killed since.
fn running(data: &Path) -> Result<Option<Url>, CliError> {
    let path = data.join(ServerFile::NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::file("read", &path)(error)),
    };
    let malformed = |reason: String| CliError::file("read", &path)(std::io::Error::other(reason));
    let file: ServerFile = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    file.url.parse().map(Some).map_err(|error: url::ParseError| malformed(error.to_string()))
}

fn operator_token(data: &Path) -> Result<Option<Token>, CliError> {
    let path = data.join(TOKEN_FILE);
    match path.is_file() {
        true => Token::new(&private_file::read(&path)?).map(Some),
        false => Ok(None),
    }
}

pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(data: &Path, server: Option<&str>) -> Context {
        Context::new(Global {
            data: Some(data.to_owned()),
            server: server.map(|url| url.parse().unwrap()),
            ..Global::default()
        })
    }

    #[test]
    fn the_operators_token_stays_with_its_own_server() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(ServerFile::NAME), r#"{"url": "http://127.0.0.1:7411", "pid": 1}"#)
            .unwrap();
        private_file::create(&dir.path().join(TOKEN_FILE), "bulla_x\n").unwrap();
        let token = |server: &str| {
            let url = server.parse().unwrap();
            context(dir.path(), Some(server)).token_for(&url).unwrap().is_some()
        };
        assert!(token("http://127.0.0.1:7411/"));
        assert!(!token("http://127.0.0.1:7412/"));
        assert!(!token("https://127.0.0.1:7411/"));
    }

    #[test]
    fn without_a_server_it_says_how_to_get_one() {
        let dir = tempfile::tempdir().unwrap();
        let error = context(dir.path(), None).client().err().unwrap();
        assert_eq!(error.exit(), crate::exit_codes::Exit::ServerUnreachable);
        assert!(error.hint().unwrap().contains("bulla serve"));
    }

    #[test]
    fn loopback_is_an_address_and_not_a_prefix() {
        for (url, is) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]", true),
            ("http://localhost:1", true),
            ("http://127.0.0.1.example", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), is, "{url}");
        }
    }
}

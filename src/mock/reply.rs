//! Replies of a scripted server: what is asked, and what is said to it.

use std::io;

use serde_json::{Value, json};

use super::http::{Call, Served, Visitor};
use super::script::{Misdeed, Quirk};
use super::{House, stream};

/// Tokens that the template of a chat adds for each message.
pub const MESSAGE_TOKENS: u64 = 4;

/// Most tokens of a reply: one that is not streamed is held in memory.
const MOST: u32 = 1_000_000;

const JSON: &str = "application/json";

/// API by which tokens are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `OpenAI`'s `/v1/completions`.
    Text,
    /// `OpenAI`'s `/v1/chat/completions`.
    Chat,
    /// llama.cpp's `/completion`.
    Llama,
}

/// Asking of a client: what it asks a scripted server to say.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // fields of a request, each independent of the others
pub(super) struct Asking {
    pub(super) dialect: Dialect,
    /// Tokens of the prompt.
    pub(super) prompt: u64,
    /// Tokens to say.
    pub(super) tokens: u32,
    /// The text ends before the limit.
    pub(super) stops: bool,
    pub(super) streams: bool,
    /// A last event with the usage is asked for.
    pub(super) usage: bool,
    /// Each event says how many tokens there are.
    pub(super) timings: bool,
    /// Each event has its tokens' ids.
    pub(super) ids: bool,
    pub(super) fault: Option<Misdeed>,
}

/// Answers the next request of a connection.
///
/// # Errors
/// When the client has gone or speaks no HTTP.
pub(super) fn answer(connection: &mut Visitor, house: &House) -> io::Result<Served> {
    let Some(call) = connection.call()? else { return Ok(Served::Ended) };
    let path = call.path.split('?').next().unwrap_or_default();
    let served = match (call.method.as_str(), path) {
        ("GET", "/health") => say(connection, &json!({"status": "ok"})),
        ("GET", "/v1/models" | "/models") => say(
            connection,
            &json!({"object": "list", "data": [{"id": "mock", "object": "model", "owned_by": "lbench"}]}),
        ),
        ("POST", "/tokenize") => match serde_json::from_slice::<Value>(&call.body) {
            Ok(asked) => say(
                connection,
                &json!({"tokens": ids(asked["content"].as_str().unwrap_or_default())}),
            ),
            Err(error) => refuse(connection, "400 Bad Request", &error.to_string()),
        },
        ("POST", "/v1/completions" | "/completions") => {
            produce(connection, house, &call, Dialect::Text)
        }
        ("POST", "/v1/chat/completions" | "/chat/completions") => {
            produce(connection, house, &call, Dialect::Chat)
        }
        ("POST", "/completion") => produce(connection, house, &call, Dialect::Llama),
        _ => refuse(connection, "404 Not Found", &format!("no {} {path} here", call.method)),
    }?;
    Ok(if call.last { Served::Ended } else { served })
}

fn say(connection: &mut Visitor, value: &Value) -> io::Result<Served> {
    connection.whole("200 OK", JSON, "", value.to_string().as_bytes())?;
    Ok(Served::Open)
}

fn refuse(connection: &mut Visitor, status: &str, why: &str) -> io::Result<Served> {
    let code: u16 = status.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(500);
    let body = json!({"error": {"code": code, "message": why, "type": "mock_error"}});
    let more = if code == 429 { "Retry-After: 1\r\n" } else { "" };
    connection.whole(status, JSON, more, body.to_string().as_bytes())?;
    Ok(Served::Open)
}

/// Token ids of a text: a word's is made of its bytes.
fn ids(text: &str) -> Vec<u32> {
    let id = |word: &str| word.bytes().fold(7_u32, |id, byte| (id * 31 + u32::from(byte)) % 32_000);
    text.split_whitespace().map(id).collect()
}

fn words(value: &Value) -> u64 {
    value.as_str().map_or(0, |text| text.split_whitespace().count() as u64)
}

/// Tokens of a prompt; the error says what cannot be read.
fn prompt(asked: &Value, dialect: Dialect) -> Result<u64, &'static str> {
    if dialect != Dialect::Chat {
        return match &asked["prompt"] {
            Value::String(text) => Ok(text.split_whitespace().count() as u64),
            Value::Array(ids) if ids.iter().all(Value::is_u64) => Ok(ids.len() as u64),
            _ => Err("\"prompt\" is a text or a list of ids"),
        };
    }
    let messages = asked["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages = messages.ok_or("\"messages\" is a list with at least one message")?;
    let tokens = |message: &Value| match &message["content"] {
        Value::Array(parts) => parts.iter().map(|part| words(&part["text"])).sum(),
        content => words(content),
    };
    Ok(messages.iter().map(|message| MESSAGE_TOKENS + tokens(message)).sum())
}

fn order(
    asked: &Value,
    dialect: Dialect,
    house: &House,
    fault: Option<Misdeed>,
) -> Result<Asking, &'static str> {
    let script = &house.script;
    let number = |name: &str| asked[name].as_u64().and_then(|n| u32::try_from(n).ok());
    let limit = ["max_completion_tokens", "max_tokens", "n_predict"].into_iter().find_map(number);
    let limit = limit.unwrap_or(script.tokens);
    if limit > MOST {
        return Err("no more than 1000000 tokens are said");
    }
    let ends = script.ends_after.filter(|_| asked["ignore_eos"] != json!(true));
    let ends =
        ends.map(|ends| ends.max(number("min_tokens").unwrap_or(0))).filter(|ends| *ends < limit);
    let has = |quirk| script.has(quirk);
    Ok(Asking {
        dialect,
        prompt: prompt(asked, dialect)?,
        tokens: ends.unwrap_or(limit),
        stops: ends.is_some(),
        streams: asked["stream"] == json!(true),
        usage: asked["stream_options"]["include_usage"] == json!(true) && !has(Quirk::NoUsage),
        timings: asked["timings_per_token"] == json!(true) && !has(Quirk::NoTimings),
        ids: asked["return_tokens"] == json!(true),
        fault,
    })
}

/// Does what is asked, or the fault that is due.
fn produce(
    connection: &mut Visitor,
    house: &House,
    call: &Call,
    dialect: Dialect,
) -> io::Result<Served> {
    let nth = house.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
    let fault = house.script.due(nth);
    match fault {
        Some(Misdeed::Busy) => {
            return refuse(connection, "429 Too Many Requests", "too many requests");
        }
        Some(Misdeed::Broken) => {
            return refuse(connection, "500 Internal Server Error", "it broke");
        }
        Some(Misdeed::Rubbish) => {
            connection.whole(
                "200 OK",
                "text/html",
                "",
                b"<html>\xff\xfe{\"choices\": [nonsense</html>\n",
            )?;
            return Ok(Served::Open);
        }
        _ => {}
    }
    let asked: Value = match serde_json::from_slice(&call.body) {
        Ok(asked) => asked,
        Err(error) => return refuse(connection, "400 Bad Request", &error.to_string()),
    };
    let order = match order(&asked, dialect, house, fault) {
        Ok(order) => order,
        Err(why) => return refuse(connection, "400 Bad Request", why),
    };
    stream::produce(connection, house, &order)
}

//! Tokens of a scripted server, at the times of its script: as events, or in one piece.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::House;
use super::http::{Served, Visitor};
use super::reply::{Asking, Dialect};
use super::script::{Misdeed, Quirk};

/// Says what is ordered.
pub(super) fn produce(
    connection: &mut Visitor,
    house: &House,
    order: &Asking,
) -> io::Result<Served> {
    let asked = Instant::now();
    let seat = house.slots.take();
    let start = Instant::now();
    let script = &house.script;
    // A deadline of its own for each token: one that is late makes no other late.
    let token = |n: u32| start + script.first + script.gap * n.saturating_sub(1);
    let saying = Saying { order, script, queued: start - asked };
    if !order.streams {
        return saying.whole(connection, token(order.tokens));
    }
    connection.begin()?;
    if order.dialect == Dialect::Chat && script.has(Quirk::RoleFirst) {
        saying.event(
            connection,
            &saying.chunk(&json!({"role": "assistant", "content": null}), None),
        )?;
    }
    let breaks = [Misdeed::Cut, Misdeed::Hang, Misdeed::Event].map(Some).contains(&order.fault);
    let last = if breaks { order.tokens / 2 } else { order.tokens };
    let mut said = 0;
    while said < last {
        let now = script.bundle.max(1).min(last - said);
        sleep_until(token(said + now));
        saying.tokens(connection, said, now)?;
        said += now;
    }
    match order.fault {
        Some(Misdeed::Cut) => {
            connection.cut();
            return Ok(Served::Ended);
        }
        Some(Misdeed::Hang) => {
            drop(seat);
            connection.hang();
            return Ok(Served::Ended);
        }
        Some(Misdeed::Event) => {
            let error =
                json!({"error": {"code": 500, "message": "it broke", "type": "mock_error"}});
            saying.event(connection, &error)?;
        }
        _ => saying.ending(connection)?,
    }
    connection.end()?;
    if script.has(Quirk::Close) {
        connection.cut();
        return Ok(Served::Ended);
    }
    Ok(Served::Open)
}

fn sleep_until(deadline: Instant) {
    std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
}

/// Utterance of a scripted server: an order that is being followed.
struct Saying<'a> {
    order: &'a Asking,
    script: &'a super::MockScript,
    /// Time that it waited for a slot.
    queued: Duration,
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Saying<'_> {
    /// Text of the n-th token, counted from 0.
    fn word(&self, n: u32) -> String {
        let letter = if self.script.has(Quirk::SplitUtf8) { "é" } else { "e" };
        format!(" {letter}{n}")
    }

    fn text(&self, from: u32, count: u32) -> String {
        (from..from + count).map(|n| self.word(n)).collect()
    }

    fn usage(&self) -> Value {
        let (prompt, tokens) = (self.order.prompt, u64::from(self.order.tokens));
        json!({
            "prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        })
    }

    /// llama.cpp's timings when so many tokens are said.
    fn timings(&self, said: u32) -> Value {
        let first = ms(self.script.first);
        let rest = ms(self.script.gap * said.saturating_sub(1));
        json!({
            "cache_n": 0, "prompt_n": self.order.prompt, "prompt_ms": first,
            "predicted_n": said, "predicted_ms": rest, "queued_ms": ms(self.queued),
        })
    }

    fn reason(&self) -> &'static str {
        if self.order.stops { "stop" } else { "length" }
    }

    /// Event of `OpenAI`'s kinds.
    fn chunk(&self, what: &Value, reason: Option<&str>) -> Value {
        let chat = self.order.dialect == Dialect::Chat;
        let key = if chat { "delta" } else { "text" };
        let object = if chat { "chat.completion.chunk" } else { "text_completion" };
        json!({
            "id": "mock", "object": object, "created": 0, "model": "mock",
            "choices": [{"index": 0, key: what, "finish_reason": reason}],
        })
    }

    fn event(&self, connection: &mut Visitor, event: &Value) -> io::Result<()> {
        let line = format!("data: {event}\n\n");
        // Behind the first byte of a character of two.
        let split = line.find('é').filter(|_| self.script.has(Quirk::SplitUtf8)).map(|at| at + 1);
        connection.chunk(line.as_bytes(), split)
    }

    /// The event with these tokens.
    fn tokens(&self, connection: &mut Visitor, from: u32, count: u32) -> io::Result<()> {
        let text = self.text(from, count);
        let mut event = match self.order.dialect {
            Dialect::Text => self.chunk(&json!(text), None),
            Dialect::Chat => self.chunk(&json!({"content": text}), None),
            Dialect::Llama => {
                json!({"index": 0, "content": text, "stop": false, "tokens_predicted": from + count})
            }
        };
        if self.order.timings {
            event["timings"] = self.timings(from + count);
        }
        if self.order.ids {
            event["tokens"] = (from..from + count).map(|n| 1000 + n).collect();
        }
        self.event(connection, &event)
    }

    /// What follows the last token.
    fn ending(&self, connection: &mut Visitor) -> io::Result<()> {
        let mut event = match self.order.dialect {
            Dialect::Text => self.chunk(&json!(""), Some(self.reason())),
            Dialect::Chat => self.chunk(&json!({}), Some(self.reason())),
            Dialect::Llama => self.ended(""),
        };
        if self.order.timings {
            event["timings"] = self.timings(self.order.tokens);
        }
        self.event(connection, &event)?;
        if self.order.dialect == Dialect::Llama {
            return Ok(());
        }
        if self.order.usage {
            let mut event = self.chunk(&json!(""), None);
            event["choices"] = json!([]);
            event["usage"] = self.usage();
            self.event(connection, &event)?;
        }
        connection.chunk(b"data: [DONE]\n\n", None)
    }

    /// llama.cpp's last word.
    fn ended(&self, content: &str) -> Value {
        let mut event = json!({
            "index": 0, "content": content, "stop": true,
            "stop_type": if self.order.stops { "eos" } else { "limit" },
        });
        if !self.script.has(Quirk::NoUsage) {
            event["tokens_predicted"] = json!(self.order.tokens);
            event["tokens_evaluated"] = json!(self.order.prompt);
        }
        if !self.script.has(Quirk::NoTimings) {
            event["timings"] = self.timings(self.order.tokens);
        }
        event
    }

    /// A reply in one piece, when its last token is due.
    fn whole(&self, connection: &mut Visitor, due: Instant) -> io::Result<Served> {
        match self.order.fault {
            Some(Misdeed::Cut) => {
                connection.cut();
                return Ok(Served::Ended);
            }
            Some(Misdeed::Hang) => {
                connection.hang();
                return Ok(Served::Ended);
            }
            _ => sleep_until(due),
        }
        let text = self.text(0, self.order.tokens);
        let mut body = match self.order.dialect {
            Dialect::Text => self.chunk(&json!(text), Some(self.reason())),
            Dialect::Chat => {
                let message = json!({"role": "assistant", "content": text});
                json!({
                    "id": "mock", "object": "chat.completion", "created": 0, "model": "mock",
                    "choices": [{"index": 0, "message": message, "finish_reason": self.reason()}],
                })
            }
            Dialect::Llama => self.ended(&text),
        };
        if self.order.ids {
            body["tokens"] = (0..self.order.tokens).map(|n| 1000 + n).collect();
        }
        if self.order.dialect != Dialect::Llama && !self.script.has(Quirk::NoUsage) {
            body["usage"] = self.usage();
        }
        if self.order.fault == Some(Misdeed::Event) {
            body = json!({"error": {"code": 500, "message": "it broke", "type": "mock_error"}});
        }
        connection.whole("200 OK", "application/json", "", body.to_string().as_bytes())?;
        Ok(Served::Open)
    }
}

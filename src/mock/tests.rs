//! Replies of a scripted server, byte by byte: what clients are tested against must be known itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Misdeed, MockScript, MockServer, Quirk, misdeed};

fn quick() -> MockScript {
    MockScript { first: Duration::ZERO, gap: Duration::ZERO, ..MockScript::default() }
}

fn serve(script: MockScript) -> MockServer {
    MockServer::start(("127.0.0.1", 0), script).unwrap()
}

fn request(path: &str, body: &Value, more: &str) -> String {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: mock\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Everything that comes of a request on a connection of its own, until the server ends it.
fn ask(server: &MockServer, path: &str, body: &Value) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut all = Vec::new();
    // One that is refused may be so before it has asked.
    if stream.write_all(request(path, body, "Connection: close\r\n").as_bytes()).is_ok() {
        let _ = stream.read_to_end(&mut all);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The events of a stream.
fn events(reply: &str) -> Vec<Value> {
    let data = reply.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn body(reply: &str) -> Value {
    serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn said(events: &[Value]) -> usize {
    events
        .iter()
        .filter(|e| e["choices"][0]["text"].as_str().is_some_and(|t| !t.is_empty()))
        .count()
}

fn stream_of(tokens: u32) -> Value {
    let usage = json!({"include_usage": true});
    json!({"prompt": [1, 2, 3], "max_tokens": tokens, "stream": true, "stream_options": usage})
}

#[test]
fn a_stream_has_every_token_and_a_usage() {
    let server = serve(quick());
    let reply = ask(&server, "/v1/completions", &stream_of(5));
    let events = events(&reply);
    assert!(reply.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"), "{reply}");
    assert_eq!(said(&events), 5);
    let usage = &events.last().unwrap()["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(3), &json!(5)));
    assert_eq!(events[5]["choices"][0]["finish_reason"], "length");
}

#[test]
fn each_api_counts_prompt_and_reply() {
    let server = serve(MockScript { ends_after: Some(2), ..quick() });
    let chat = json!({"messages": [{"role": "user", "content": "a b c"}], "max_tokens": 9});
    let chat = body(&ask(&server, "/v1/chat/completions", &chat));
    assert_eq!(chat["usage"]["prompt_tokens"], 3 + super::MESSAGE_TOKENS);
    assert_eq!(chat["usage"]["completion_tokens"], 2);
    assert_eq!(chat["choices"][0]["finish_reason"], "stop");
    let forced = json!({"prompt": "a b", "max_tokens": 9, "ignore_eos": true});
    let forced = body(&ask(&server, "/v1/completions", &forced));
    assert_eq!(forced["usage"]["completion_tokens"], 9);
    let at_least = json!({"prompt": "a b", "max_tokens": 9, "min_tokens": 7});
    let at_least = body(&ask(&server, "/v1/completions", &at_least));
    assert_eq!(at_least["usage"]["completion_tokens"], 7);
    let llama = json!({"prompt": "a b", "n_predict": 4, "ignore_eos": true, "return_tokens": true});
    let llama = body(&ask(&server, "/completion", &llama));
    assert_eq!(llama["tokens"], json!([1000, 1001, 1002, 1003]));
    assert_eq!(llama["timings"]["predicted_n"], 4);
    let ids = body(&ask(&server, "/tokenize", &json!({"content": "one two  three"})));
    assert_eq!(ids["tokens"].as_array().unwrap().len(), 3);
}

#[test]
fn manners_are_as_asked() {
    let server =
        serve(MockScript { bundle: 2, quirks: vec![Quirk::NoUsage, Quirk::SplitUtf8], ..quick() });
    let events = events(&ask(&server, "/v1/completions", &stream_of(5)));
    assert_eq!(said(&events), 3, "5 tokens in bundles of 2");
    assert!(events.iter().all(|event| event["usage"].is_null()));
    assert_eq!(events[0]["choices"][0]["text"], " é0 é1");
    let server = serve(MockScript { quirks: vec![Quirk::RoleFirst], ..quick() });
    let chat =
        json!({"messages": [{"role": "user", "content": "a"}], "max_tokens": 1, "stream": true});
    let events = self::events(&ask(&server, "/v1/chat/completions", &chat));
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events[1]["choices"][0]["delta"]["content"], " e0");
}

#[test]
fn a_stream_may_close_what_it_said_it_keeps() {
    for (quirks, replies) in [(vec![], 2), (vec![Quirk::Close], 1)] {
        let server = serve(MockScript { quirks, ..quick() });
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let two = request("/v1/completions", &stream_of(1), "")
            + &request("/v1/completions", &stream_of(1), "Connection: close\r\n");
        stream.write_all(two.as_bytes()).unwrap();
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let all = String::from_utf8(all).unwrap();
        assert_eq!(all.matches("HTTP/1.1 200").count(), replies);
        assert!(all.contains("Keep-Alive: timeout"));
    }
}

#[test]
fn faults_come_as_often_as_asked() {
    let status = |reply: &str| reply.split(' ').nth(1).unwrap_or("none").to_string();
    let server = serve(MockScript { misdeeds: vec![misdeed("429:2").unwrap()], ..quick() });
    let replies: Vec<_> =
        (0..4).map(|_| status(&ask(&server, "/v1/completions", &stream_of(1)))).collect();
    assert_eq!(replies, ["200", "429", "200", "429"]);
    let once = |fault: Misdeed| {
        let server = serve(MockScript { misdeeds: vec![(fault, 1)], ..quick() });
        ask(&server, "/v1/completions", &stream_of(4))
    };
    assert_eq!(once(Misdeed::Refuse), "");
    assert_eq!(status(&once(Misdeed::Broken)), "500");
    assert!(!once(Misdeed::Rubbish).contains("data:"));
    let cut = once(Misdeed::Cut);
    assert_eq!((said(&events(&cut)), cut.contains("[DONE]")), (2, false));
    let event = once(Misdeed::Event);
    assert_eq!((status(&event).as_str(), said(&events(&event))), ("200", 2));
    assert_eq!(events(&event)[2]["error"]["code"], 500);
}

#[test]
fn one_that_hangs_says_nothing_more_and_holds_no_slot() {
    let server = serve(MockScript { slots: 1, misdeeds: vec![(Misdeed::Hang, 2)], ..quick() });
    assert!(ask(&server, "/v1/completions", &stream_of(4)).contains("[DONE]"));
    let mut hangs = TcpStream::connect(server.address()).unwrap();
    hangs.write_all(request("/v1/completions", &stream_of(4), "").as_bytes()).unwrap();
    let mut seen = String::new();
    let mut piece = [0; 4096];
    while said(&events(&seen)) < 2 {
        let n = hangs.read(&mut piece).unwrap();
        seen += std::str::from_utf8(&piece[..n]).unwrap();
    }
    hangs.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(hangs.read(&mut piece).is_err(), "nothing comes, and it is no end");
    assert!(ask(&server, "/v1/completions", &stream_of(4)).contains("[DONE]"));
}

#[test]
fn no_token_comes_before_its_time_and_slots_are_queued_for() {
    let script = MockScript {
        first: Duration::from_millis(30),
        gap: Duration::from_millis(5),
        slots: 1,
        ..MockScript::default()
    };
    let server = serve(script);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                assert!(ask(&server, "/v1/completions", &stream_of(5)).contains("[DONE]"));
            });
        }
    });
    // A lower bound, which no busy machine breaks: three in turn, each 30 + 4 · 5 ms.
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[test]
fn what_is_no_request_of_ours_is_said_to_be_none() {
    let server = serve(quick());
    for (path, body, status) in [
        ("/v1/nothing", json!({}), "404"),
        ("/v1/completions", json!({"prompt": 5}), "400"),
        ("/v1/completions", json!({"prompt": "a", "max_tokens": 1_000_001}), "400"),
        ("/v1/completions", json!({"prompt": [[1], [2]]}), "400"),
        ("/v1/chat/completions", json!({"messages": []}), "400"),
    ] {
        let reply = ask(&server, path, &body);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {reply}");
    }
    assert!(misdeed("429:0").is_err() && misdeed("reboot").is_err() && misdeed("429:x").is_err());
}

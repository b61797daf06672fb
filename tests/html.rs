//! Pages as a user has them: written by a run or from journals, read again, and looked at in a real browser. The tests
//! with a browser are skipped, and say so, where none is there; `LBENCH_BROWSER` names one.
#![cfg(target_os = "linux")]

mod place;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use place::{Place, stderr};
use serde_json::{Value, json};

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn words<'a>(args: &'a [&'a str], path: &'a Path) -> Vec<&'a str> {
    [args, &[path.to_str().unwrap()]].concat()
}

const SWEEP: [&str; 8] = ["-p", "64,128", "-n", "8", "-b", "32,64", "-r", "3"];

/// A run with a page; what it wrote to standard output, and the page.
fn run(place: &Place, script: &Value, more: &[&str]) -> (Output, PathBuf) {
    let page = place.0.path().join("page.html");
    let html = format!("--html={}", page.display());
    let output = place.sweep(script, &[&SWEEP[..], &["--no-config", &html], more].concat());
    (output, page)
}

#[test]
fn a_page_gives_back_exactly_the_rows() {
    let place = Place::new();
    let (output, page) = run(&place, &json!({}), &["-o", "jsonl"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!place.0.path().join("page.html.part").exists());
    let mut told: Vec<_> = stdout(&output).lines().map(String::from).collect();
    let again = place.run(&words(&["report", "-o", "jsonl"], &page));
    let mut back: Vec<_> = stdout(&again).lines().map(String::from).collect();
    assert_eq!(back.len(), 6);
    // Lines come as rows are finished, a page has them in the order of the plan.
    told.sort();
    back.sort();
    assert_eq!(told, back);
    for format in ["md", "json", "csv", "sql", "jsonl"] {
        let of_journal = stdout(&place.report(format));
        let of_page = stdout(&place.run(&words(&["report", "-o", format], &page)));
        assert_eq!(of_page, of_journal, "{format}");
    }
    // On standard output it is the same page; it says what was typed, which is the same too.
    let made = place.run(&words(&["report", "-o", "html"], &place.journal()));
    let rows = |html: &str| html.lines().filter(|line| line.starts_with('{')).count();
    assert_eq!(rows(&stdout(&made)), 6);
    let passed = stdout(&place.run(&words(&["report", "-o", "html"], &page)));
    assert_eq!(passed, fs::read_to_string(&page).unwrap());
}

#[test]
fn a_page_is_a_side_of_a_comparison() {
    let place = Place::new();
    let (output, page) = run(&place, &json!({}), &["-o", "json"]);
    let file = place.0.path().join("run.json");
    fs::write(&file, &output.stdout).unwrap();
    let page = page.to_str().unwrap();
    let compared = place.run(&["compare", page, file.to_str().unwrap(), "-o", "json"]);
    assert_eq!(compared.status.code(), Some(0), "{}", stderr(&compared));
    let lines: Vec<Value> = serde_json::from_slice(&compared.stdout).unwrap();
    assert_eq!(lines.len(), 6);
    assert!(lines.iter().all(|line| line["verdict"] == "same"), "{lines:?}");
    let args = [&SWEEP[..], &["--no-config", "--scripted={}", "--baseline", page, "--no-journal"]];
    let beside = place.run(&args.concat());
    assert_eq!(beside.status.code(), Some(0), "{}", stderr(&beside));
    assert_eq!(stdout(&beside).matches(" SAME").count(), 6);
}

#[test]
fn what_a_page_is_not_is_said_in_one_line() {
    let place = Place::new();
    let (_, page) = run(&place, &json!({}), &[]);
    let other = place.0.path().join("mine.txt");
    fs::write(&other, "mine").unwrap();
    let journal = place.journal();
    let (page, journal, other) =
        (page.to_str().unwrap(), journal.to_str().unwrap(), other.to_str().unwrap());
    let folder = place.0.path().to_str().unwrap();
    let report =
        |args: &[&str]| [&["report"], args].concat().iter().map(ToString::to_string).collect();
    let refused: [(Vec<String>, &str); 9] = [
        (vec!["--resume".into(), page.into()], "name that, or none for the last run"),
        (report(&["--html", other, journal]), "is not written over"),
        (report(&["--html", journal, journal]), "is not written over"),
        (report(&["--html", folder, journal]), "it is a folder"),
        (report(&["--html", "/nowhere/page.html", journal]), "--html /nowhere/page.html"),
        (report(&["--html", "-", journal]), "-o html"),
        (report(&[page, journal]), "not shown together"),
        (report(&["--html", "new.html", page]), "made of journals"),
        (report(&["--columns", "ci", page]), "give the journal"),
    ];
    for (args, says) in refused {
        let output =
            place.lbench(&args.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert_eq!(told.trim().lines().count(), 1, "{args:?}: {told}");
        assert!(told.contains(says), "{args:?}: {told}");
    }
    assert_eq!(fs::read_to_string(other).unwrap(), "mine");
    let both = place.0.path().join("both");
    let both = both.to_str().unwrap();
    let same = ["--scripted={}", "--no-config", "--journal", both, "--html", both];
    let same = place.run(&same);
    assert_eq!((same.status.code(), same.stdout.len()), (Some(2), 0), "{}", stderr(&same));
    assert!(stderr(&same).contains("--html") && !Path::new(both).exists());
    // A sweep is refused before anything is measured.
    let refused = place.run(&["--scripted={}", "--no-journal", "--no-config", "--html", other]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    // What is cut off is told, and the rows before are there.
    let text = fs::read_to_string(page).unwrap();
    let half = text.match_indices("\n{").nth(3).unwrap().0 + 100;
    fs::write(page, &text[..half]).unwrap();
    let cut = place.run(&["report", page, "-o", "jsonl"]);
    assert_eq!(stdout(&cut).lines().count(), 3);
    assert!(stderr(&cut).contains("cut off"), "{}", stderr(&cut));
}

#[test]
fn a_page_that_was_there_stays_until_the_next_is_whole() {
    let place = Place::new();
    let (_, page) = run(&place, &json!({}), &[]);
    let old = fs::read_to_string(&page).unwrap();
    // A run that is refused writes nothing over it.
    let html = format!("--html={}", page.display());
    let journal = format!("--baseline={}", place.journal().display());
    let refused = place.run(&["--scripted={}", "--no-config", "--no-journal", &html, &journal]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&page).unwrap(), old);
    assert!(!place.0.path().join("page.html.part").exists());
}

#[test]
fn rows_that_failed_are_rows_of_the_page() {
    let place = Place::new();
    let rule = json!({"when": {"n_batch": "64"}, "phase": "warmup", "fault": "abort"});
    let (output, page) = run(&place, &json!({"rules": [rule]}), &["-o", "none"]);
    assert_eq!(output.status.code(), Some(1));
    let again = place.run(&words(&["report", "-o", "none"], &page));
    assert_eq!(again.status.code(), Some(1));
    let outcomes = rows_of(&place, &page).into_iter().map(|row| row["outcome"].clone());
    assert_eq!(outcomes.filter(|outcome| outcome == "crashed").count(), 2);
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("<li>2 of 6 rows failed: "));
    let Some(browser) = browser() else { return };
    let (dom, complaints) = looked_at(&browser, &page, 1000);
    is_clean(&dom, &complaints);
    let drawn: usize = figures(&dom, "axis").iter().map(|figure| marks(figure, "rows")).sum();
    assert!(drawn >= 2, "what did not fail is drawn");
}

/// A browser that shows files of this folder: some are boxed in, and some are only a word on where to get one.
fn browser() -> Option<PathBuf> {
    let given = std::env::var_os("LBENCH_BROWSER").map(PathBuf::from);
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let mut found =
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let Some(found) = given.or_else(|| found.find(|file| file.is_file())) else {
        eprintln!(
            "skipped: no browser is here; apt-get install --no-install-recommends chromium brings one"
        );
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let probe = folder.path().join("probe.html");
    fs::write(&probe, "<!doctype html><p>shown</p>").unwrap();
    let works = looked_at(&found, &probe, 400).0.contains("<p>shown</p>");
    if !works {
        eprintln!(
            "skipped: {} does not show a file of {}",
            found.display(),
            folder.path().display()
        );
    }
    works.then_some(found)
}

/// What a page comes to in a browser: its elements, and what it complained of.
fn looked_at(browser: &Path, page: &Path, width: u32) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let child = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-background-networking", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args([format!("--window-size={width},900"), "--dump-dom".into()])
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(profile.path().join("dom")).unwrap())
        .stderr(fs::File::create(profile.path().join("log")).unwrap())
        .spawn();
    let Ok(mut child) = child else { return Default::default() };
    for _ in 0..600 {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    child.wait().unwrap();
    let dom = fs::read_to_string(profile.path().join("dom")).unwrap();
    let log = String::from_utf8_lossy(&fs::read(profile.path().join("log")).unwrap()).into_owned();
    // A request that the policy refuses is a complaint too.
    let complaints = log.lines().filter(|line| line.contains("CONSOLE"));
    (dom, complaints.map(String::from).collect())
}

/// The figures of a kind.
fn figures<'a>(dom: &'a str, kind: &str) -> Vec<&'a str> {
    let begin = format!("data-kind=\"{kind}\"");
    let found = dom
        .split("<figure ")
        .skip(1)
        .filter(|figure| figure.split('>').next().is_some_and(|head| head.contains(&begin)));
    found.map(|figure| figure.split("</figure>").next().unwrap()).collect()
}

/// How many marks groups of this name have.
fn marks(figure: &str, name: &str) -> usize {
    let label = format!("class=\"{name}\"");
    let groups = figure.split(label.as_str()).skip(1);
    let inner = groups.map(|group| group.split("</g>").next().unwrap());
    inner.map(|group| group.matches("<path ").count() + group.matches("<circle ").count()).sum()
}

fn is_clean(dom: &str, complaints: &[String]) {
    assert_eq!(complaints, [""; 0]);
    assert!(dom.contains("data-ready=\"1\""), "the script did not come to its end");
    assert!(!dom.contains("class=\"failed\">The plots of"), "a run was not drawn");
    assert!(!dom.contains(">NaN<") && !dom.contains(">undefined<"));
}

fn rows_of(place: &Place, page: &Path) -> Vec<Value> {
    let text = stdout(&place.run(&words(&["report", "-o", "jsonl"], page)));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_browser_draws_every_row_once() {
    let Some(browser) = browser() else { return };
    let place = Place::new();
    for (journal, kinds) in [
        ("h200/ngl", &["axis", "front", "ecdf", "timeline", "rounds"][..]),
        ("h200/quant", &["axis", "front"]),
        ("h100/batch", &["batch"]),
        ("h200/oom", &["axis"]),
    ] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("reports/{journal}.jsonl"));
        let page = place.0.path().join("page.html");
        let html = format!("--html={}", page.display());
        place.run(&["report", &html, "-o", "none", file.to_str().unwrap()]);
        let (dom, complaints) = looked_at(&browser, &page, 1000);
        is_clean(&dom, &complaints);
        let own = |row: &&Value| row["avg_ts"].is_number() && row["same_as"].is_null();
        let rows = rows_of(&place, &page);
        let measured = rows.iter().filter(own).count();
        for kind in kinds {
            let found = figures(&dom, kind);
            assert!(!found.is_empty(), "{journal} {kind}");
            for figure in &found {
                assert!(
                    figure.contains("<svg") && figure.contains("aria-label="),
                    "{journal} {kind}"
                );
            }
        }
        // Each row stands once in a figure of each axis that its kind of test varies.
        let over = [figures(&dom, "axis"), figures(&dom, "batch"), figures(&dom, "depth")].concat();
        let drawn: usize = over.iter().map(|figure| marks(figure, "rows")).sum();
        assert!(
            drawn >= measured && drawn.is_multiple_of(measured),
            "{journal}: {drawn} of {measured}"
        );
        let shown: usize = dom
            .split("<table class=\"results\">")
            .skip(1)
            .map(|table| table.split("</table>").next().unwrap().matches("<tr>").count() - 1)
            .sum();
        assert_eq!(shown, rows.len(), "{journal}");
    }
}

/// A page with these rows, whatever the rest of it says.
fn page_of(place: &Place, shape: impl Fn(&mut Vec<Value>, &mut Value)) -> PathBuf {
    let (_, page) = run(place, &json!({}), &["-o", "none"]);
    let html = fs::read_to_string(&page).unwrap();
    let part = |open: &str| {
        let begin = html.find(open).unwrap() + open.len();
        begin..begin + html[begin..].find("</script>").unwrap()
    };
    let (rows, about) = (part("class=\"rows\">"), part("class=\"run\">"));
    let mut values: Vec<Value> = serde_json::from_str(&html[rows.clone()]).unwrap();
    let mut known = serde_json::from_str(&html[about.clone()]).unwrap();
    shape(&mut values, &mut known);
    let json = |value: &Value| value.to_string().replace('<', "\\u003c");
    let html = [
        &html[..rows.start],
        &format!("[\n{}\n]", values.iter().map(json).collect::<Vec<_>>().join(",\n")),
        &html[rows.end..about.start],
        &json(&known),
        &html[about.end..],
    ];
    fs::write(&page, html.concat()).unwrap();
    page
}

/// A grid of loads: three lengths of answers under five pressures.
#[test]
fn a_browser_draws_a_grid_of_loads() {
    let Some(browser) = browser() else { return };
    let place = Place::new();
    let page = page_of(&place, |rows, about| {
        let (row, mut points) = (rows[0].clone(), Vec::new());
        rows.clear();
        for length in [64_u64, 256, 1024] {
            for clients in [1_u64, 2, 4, 8, 16] {
                let mut row = row.clone();
                row["test"] = format!("load{length}x{clients}").into();
                row["output_tokens"] = length.into();
                row["concurrency"] = clients.into();
                row["load_ts"] = (100 * clients * 4 / (clients + 3)).into();
                row["load_ttft_ns"] = (1_000_000 * clients * length).into();
                rows.push(row);
                points.push(json!({"metric": "load_rate", "kind": "load", "value": 1.0, "low": null, "high": null}));
            }
        }
        about["rows"] = points.into();
        let metric = |name: &str, field: &str, unit: &str, better: &str| {
            json!({"name": name, "kind": "load", "field": field, "unit": unit, "heading": null, "scale": 1.0,
                "better": better, "doc": name})
        };
        about["metrics"] = json!([
            metric("load_rate", "load_ts", "tokens/s", "higher"),
            metric("load_ttft", "load_ttft_ns", "ns", "lower"),
        ]);
    });
    let (dom, complaints) = looked_at(&browser, &page, 1000);
    is_clean(&dom, &complaints);
    let [load] = figures(&dom, "load")[..] else { panic!("one figure of a load") };
    assert_eq!(marks(load, "rows"), 15);
    for name in ["output_tokens 64", "output_tokens 256", "output_tokens 1024"] {
        assert!(load.contains(name), "{name}");
    }
    assert_eq!(figures(&dom, "axis").len(), 0, "a load is no speed over an axis");
}

/// Whatever a name says, it is text: in what Rust writes, and in what the script draws.
#[test]
fn names_are_text_whatever_they_contain() {
    let place = Place::new();
    let evil = "</script><img src=x onerror=alert(1)> |a|b| \u{202e}evil\u{202c} *x* 😀 ]]> -->";
    let long = "n".repeat(300);
    let page = page_of(&place, |rows, about| {
        for (at, row) in rows.iter_mut().enumerate() {
            let name = if at % 2 == 0 { evil } else { long.as_str() };
            for field in ["model_type", "model_filename", "prompt", "type_k", "devices"] {
                row[field] = name.into();
            }
        }
        about["markdown"] = evil.into();
    });
    let text = fs::read_to_string(&page).unwrap();
    assert_eq!(text.matches("<img").count(), 0);
    let shown = evil.replace(['\u{202e}', '\u{202c}'], " ");
    assert_eq!(rows_of(&place, &page)[0]["model_type"], shown);
    let Some(browser) = browser() else { return };
    for width in [400, 1400] {
        let (dom, complaints) = looked_at(&browser, &page, width);
        is_clean(&dom, &complaints);
        assert_eq!(dom.matches("<img").count(), 0);
        assert!(!figures(&dom, "axis").is_empty());
        let drawn = figures(&dom, "axis").concat() + &figures(&dom, "batch").concat();
        assert!(!drawn.contains('\u{202e}') && drawn.contains("|a|b|"));
    }
}

/// The same of names that come the whole way: of a model's file, and of a prompt's.
#[test]
fn names_of_files_are_text_too() {
    let place = Place::new();
    let folder = place.0.path();
    let made =
        place.run(&["synth", "llama-135m:q4_0", "-o", folder.join("a.gguf").to_str().unwrap()]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let names = ["<img src=x onerror=alert(1)> |b|.gguf", "\u{202e}\u{1F600}'\"&amp;.gguf"];
    for name in names {
        fs::hard_link(folder.join("a.gguf"), folder.join(name)).unwrap();
    }
    let models = names.map(|name| folder.join(name).to_str().unwrap().to_string());
    let page = folder.join("page.html");
    let output = place.run(&[
        "--scripted={}",
        "--no-config",
        "--no-journal",
        "-p",
        "16",
        "-n",
        "4",
        "-r",
        "2",
        "--no-collapse",
        "-m",
        &models[0],
        "-m",
        &models[1],
        "--html",
        page.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = fs::read_to_string(&page).unwrap();
    assert!(!text.contains("<img") && text.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert!(!text.contains('\u{202e}'));
    assert_eq!(rows_of(&place, &page)[0]["model_filename"], models[0]);
    let Some(browser) = browser() else { return };
    let (dom, complaints) = looked_at(&browser, &page, 1000);
    is_clean(&dom, &complaints);
    assert_eq!(dom.matches("<img").count(), 0);
}

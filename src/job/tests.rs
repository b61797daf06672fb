use super::*;
use crate::plan::tests::config;
use crate::setup::Config;
use crate::work::{Speed, Text};

/// Journals of the first schema have jobs of another shape.
#[test]
fn a_job_of_the_first_shape_is_read() {
    let text = Text::new("a.txt:1".into(), "Hello", vec![1, 2, 3]);
    let speed = Speed { n_depth: 7, n_parallel: 4, text: Some(text), ..Speed::new(3, 0) };
    let job = Job::new(Config { n_batch: 64, ..config() }, Work::Speed(speed));
    let now = serde_json::to_value(&job).unwrap();
    assert_eq!(serde_json::from_value::<Job>(now.clone()).unwrap(), job);

    let mut first = now.clone();
    let settings = &mut first["setup"]["llama"];
    settings["n_depth"] = 7.into();
    settings["compute"]["n_parallel"] = 4.into();
    settings["compute"]["prompt_shared"] = false.into();
    first["config"] = settings.take();
    first["text"] = first["work"]["speed"]["text"].take();
    first["work"] = serde_json::json!({"prompt": {"n_prompt": 3}});
    let object = first.as_object_mut().unwrap();
    object.remove("setup");
    assert_eq!(serde_json::from_value::<Job>(first.clone()).unwrap(), job);

    // The very first had neither sequences nor texts.
    let object = first.as_object_mut().unwrap();
    object.remove("text");
    object["config"].as_object_mut().unwrap().remove("compute");
    let plain: Job = serde_json::from_value(first.clone()).unwrap();
    assert_eq!(plain.work, Work::prompt(3).with_depth(7));
    first.as_object_mut().unwrap().remove("config");
    let error = serde_json::from_value::<Job>(first).unwrap_err();
    assert_eq!(error.to_string(), "missing field `config`");
}

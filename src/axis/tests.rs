use std::collections::HashSet;

use super::*;
use crate::plan::tests::config;
use crate::setup::{CacheType, FlashAttention, LazyMode, LoadMode, Override, SplitMode, Word as _};

/// Values that an axis can take, several of each.
pub(crate) fn examples(axis: &Axis) -> Vec<Value> {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    match axis.grammar {
        Grammar::Count { .. } | Grammar::Layers => vec![Value::Int(7), Value::Int(42)],
        Grammar::CacheType => CacheType::ALL.iter().copied().map(Value::Cache).collect(),
        Grammar::FlashAttention => {
            use FlashAttention::{Auto, Off, On};
            [Auto, Off, On].map(Value::Flash).to_vec()
        }
        Grammar::Switch => vec![Value::Switch(true), Value::Switch(false)],
        Grammar::Percent => vec![Value::Int(0), Value::Int(100)],
        Grammar::SplitMode => SplitMode::ALL.iter().copied().map(Value::Split).collect(),
        Grammar::LoadMode => LoadMode::ALL.iter().copied().map(Value::Load).collect(),
        Grammar::LazyMode => LazyMode::ALL.iter().copied().map(Value::Lazy).collect(),
        Grammar::Mask => vec![Value::Mask("0xf".into()), Value::Mask("0xff".into())],
        Grammar::Overrides => {
            let one = Override { pattern: "exps".into(), buffer: "CPU".into() };
            vec![Value::Overrides(vec![one]), Value::Overrides(Vec::new())]
        }
        Grammar::Shares => vec![Value::Shares(vec![300, 100]), Value::Shares(vec![])],
        Grammar::Servers => {
            vec![Value::Servers(words(&["a:1", "b:2"])), Value::Servers(words(&["a:1"]))]
        }
        Grammar::Devices => {
            vec![Value::Devices(words(&["CUDA0"])), Value::Devices(words(&["none"]))]
        }
    }
}

#[test]
fn no_name_or_flag_is_used_twice() {
    let picks: [fn(&Axis) -> &'static str; 3] =
        [|axis| axis.name, |axis| axis.long, |axis| axis.short];
    for pick in picks {
        let words: Vec<_> = AXES.iter().map(pick).filter(|word| !word.is_empty()).collect();
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
    }
    assert!(AXES.iter().all(|axis| !axis.long.is_empty()));
    let columns: Vec<_> = AXES.iter().filter_map(|axis| axis.column).collect();
    assert_eq!(columns.iter().collect::<HashSet<_>>().len(), columns.len());
}

#[test]
fn load_axes_come_before_context_axes() {
    assert!(AXES.iter().map(|axis| axis.scope).is_sorted());
}

#[test]
fn what_is_set_is_what_is_read() {
    for axis in &AXES {
        for value in examples(axis) {
            let (mut setup, mut work) = (config().into(), Work::prompt(512));
            axis.set(&mut setup, &mut work, value.clone());
            assert_eq!(axis.get(&setup, &work), Some(value), "{}", axis.name);
        }
    }
}

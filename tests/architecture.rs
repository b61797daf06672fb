//! The rules of the house, checked on the source: which room may know which.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, UseTree};

/// All rooms by floors, from the ground up. A room imports from lower floors alone.
const FLOORS: [&[&str]; 13] = [
    &["units", "dirs", "document", "encoding", "near", "error"],
    &["terminal", "plot"],
    &["stats", "gguf", "machine", "hub", "mock"],
    &["setup", "work"],
    &["axis", "models"],
    &["job"],
    &["plan", "record"],
    &["wire", "telemetry", "roofline", "engine", "ledger"],
    &["journal", "progress"],
    &["report", "runner", "worker"],
    &["compare"],
    &["cli", "history"],
    &["app"],
];

/// Longest file that needs no reason.
const LINES: usize = 450;

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_path_buf()];
    }
    let mut found: Vec<_> =
        fs::read_dir(path).unwrap().flat_map(|entry| sources(&entry.unwrap().path())).collect();
    found.retain(|file| file.extension().is_some_and(|ending| ending == "rs"));
    found.sort();
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A module of the library: where it stands, and what it is made of.
struct Module {
    /// `["report", "row"]`.
    path: Vec<String>,
    file: PathBuf,
    items: Vec<Item>,
}

impl Module {
    /// The library, from its root.
    fn root() -> Self {
        let file = src().join("lib.rs");
        Self { path: Vec::new(), items: parse(&file), file }
    }

    /// The modules within that are no tests.
    fn inner(&self) -> Vec<Self> {
        let modules = self.items.iter().filter_map(|item| match item {
            Item::Mod(module) if !is_test(&module.attrs) => Some(module),
            _ => None,
        });
        modules.map(|module| self.module(module)).collect()
    }

    fn module(&self, module: &ItemMod) -> Self {
        let name = module.ident.to_string();
        let path = [self.path.clone(), vec![name.clone()]].concat();
        if let Some((_, items)) = &module.content {
            return Self { path, file: self.file.clone(), items: items.clone() };
        }
        let folder = src().join(self.path.iter().collect::<PathBuf>());
        let files = [folder.join(&name).with_extension("rs"), folder.join(&name).join("mod.rs")];
        let file = files.into_iter().find(|file| file.exists()).expect("a module has a file");
        Self { path, items: parse(&file), file }
    }

    /// This module and all within.
    fn all(self) -> Vec<Self> {
        let inner: Vec<_> = self.inner().into_iter().flat_map(Self::all).collect();
        std::iter::once(self).chain(inner).collect()
    }

    /// Rooms that it names, each with the line.
    fn imports(&self) -> Vec<(String, usize)> {
        let mut imports = Imports { here: &self.path, found: Vec::new() };
        for item in &self.items {
            // Modules within speak for themselves.
            if !matches!(item, Item::Mod(_)) {
                imports.visit_item(item);
            }
        }
        imports.found
    }
}

fn parse(file: &Path) -> Vec<Item> {
    syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap().items
}

/// Whether code is for tests alone.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
            meta => return meta.path().is_ident("test"),
        };
        text == "test"
    })
}

/// What a module names of the library.
struct Imports<'a> {
    /// Where the module stands.
    here: &'a [String],
    found: Vec<(String, usize)>,
}

impl Imports<'_> {
    /// Takes note of a path, the words of which are given with the line of each.
    fn note(&mut self, words: &[(String, usize)]) {
        let up = words.iter().take_while(|(word, _)| word == "super").count();
        let place = match words.first().map(|(word, _)| word.as_str()) {
            Some("crate") => 1,
            // So far up that it leaves the room.
            Some("super") if up == self.here.len() => up,
            _ => return,
        };
        self.found.extend(words.get(place).cloned());
    }

    fn tree(&mut self, tree: &UseTree, before: &[(String, usize)]) {
        let word = |ident: &syn::Ident| (ident.to_string(), ident.span().start().line);
        match tree {
            UseTree::Path(path) => {
                self.tree(&path.tree, &[before, &[word(&path.ident)]].concat());
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(tree, before));
            }
            UseTree::Name(name) => self.note(&[before, &[word(&name.ident)]].concat()),
            UseTree::Rename(name) => self.note(&[before, &[word(&name.ident)]].concat()),
            UseTree::Glob(_) => self.note(before),
        }
    }

    /// Paths within a macro, which is no syntax until it is expanded.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) if first == "crate" || first == "super" => {
                    let words = tokens[at..].iter().filter_map(|token| match token {
                        TokenTree::Ident(word) => {
                            Some((word.to_string(), word.span().start().line))
                        }
                        _ => None,
                    });
                    self.note(&words.take(self.here.len() + 1).collect::<Vec<_>>());
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words = path.segments.iter().map(|segment| &segment.ident);
        let words = words.map(|word| (word.to_string(), word.span().start().line));
        self.note(&words.collect::<Vec<_>>());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, of: &'ast syn::Macro) {
        self.tokens(of.tokens.clone());
    }
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn every_room_has_a_floor() {
    let mut rooms: Vec<_> =
        Module::root().inner().into_iter().map(|room| room.path[0].clone()).collect();
    let mut known: Vec<_> = FLOORS.concat();
    rooms.sort();
    known.sort_unstable();
    assert_eq!(rooms, known);
}

#[test]
fn a_room_knows_lower_floors_alone() {
    let rooms = Module::root().inner().into_iter().flat_map(Module::all);
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for module in rooms {
        for (other, line) in module.imports() {
            // What stands in the root itself (there is nothing but rooms) or in the room is no import.
            let Some(lower) = floor(&other).filter(|_| other != module.path[0]) else { continue };
            arrows += 1;
            if Some(lower) >= floor(&module.path[0]) {
                let (file, room) = (module.file.display(), &module.path[0]);
                wrong.push(format!("{file}:{line}: {room} imports {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(arrows > 300, "imports are found: {arrows}");
}

/// A name means one thing, wherever it is read.
#[test]
fn a_type_name_exists_once() {
    let mut places = BTreeMap::<String, Vec<String>>::new();
    let modules = Module::root().inner().into_iter().flat_map(Module::all);
    for module in modules {
        for item in &module.items {
            let (name, attributes) = match item {
                Item::Struct(item) => (&item.ident, &item.attrs),
                Item::Enum(item) => (&item.ident, &item.attrs),
                Item::Trait(item) => (&item.ident, &item.attrs),
                Item::Type(item) => (&item.ident, &item.attrs),
                Item::Union(item) => (&item.ident, &item.attrs),
                _ => continue,
            };
            if !is_test(attributes) {
                let place = format!("{}:{}", module.file.display(), name.span().start().line);
                places.entry(name.to_string()).or_default().push(place);
            }
        }
    }
    assert!(places.len() > 400, "types are found: {}", places.len());
    places.retain(|_, places| places.len() > 1);
    assert!(places.is_empty(), "{places:#?}");
}

/// Whatever way there is to name a room, it is seen.
#[test]
fn every_import_is_read() {
    let text = "
        use crate::{plan, runner::{self, Runner}};
        #[cfg(test)] use crate::app;
        fn f() -> crate::stats::Estimate { println!(\"{}\", crate::units::X); super::super::wire::g() }
        #[cfg(test)] mod tests { use crate::cli::Cli; }
        #[cfg(test)] fn only() { crate::hub::x() }";
    let here = ["report".to_string(), "row".to_string()];
    let items = syn::parse_file(text).unwrap().items;
    let module = Module { path: here.to_vec(), file: PathBuf::new(), items };
    let rooms: Vec<_> = module.imports().into_iter().map(|(room, _)| room).collect();
    assert_eq!(rooms, ["plan", "runner", "runner", "stats", "units", "wire"]);
}

#[test]
fn unsafe_lives_in_one_folder() {
    for file in sources(&src()) {
        let inside = file.starts_with(src().join("engine/llama"));
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap();
            if !code.contains("unsafe {") && !code.contains("unsafe impl") {
                continue;
            }
            assert!(inside, "{}:{}: unsafe outside engine/llama", file.display(), number + 1);
            let reason = lines[number.saturating_sub(8)..=number].iter();
            let explained = reason.clone().any(|line| line.contains("SAFETY"));
            assert!(explained, "{}:{}: no SAFETY comment", file.display(), number + 1);
        }
    }
}

/// One list in two files: cargo-deny decides what may be linked, cargo-about writes down what is.
#[test]
fn the_lists_of_licences_are_the_same() {
    let list = |file: &str, key: &str| {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let (_, list) = text.split_once(&format!("\n{key} = [")).unwrap();
        list.split(']').next().unwrap().split_whitespace().collect::<String>()
    };
    assert_eq!(list("deny.toml", "allow"), list("about.toml", "accepted"));
}

#[test]
fn files_hold_one_thing() {
    let long: Vec<_> = sources(&src())
        .into_iter()
        .map(|file| (fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > LINES)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

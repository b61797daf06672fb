//! Control groups: where the files of a controller are, for the group of this process and for all above it, which
//! limit it as well.

use std::path::{Path, PathBuf};

use super::read;

/// A group that limits this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Its folder, under the root.
    pub folder: PathBuf,
    /// Whether it is of the second version, which has all controllers in one tree.
    pub unified: bool,
}

impl Group {
    /// The number in one of its files; `None` where there is none, or it says that there is no limit.
    pub fn number(&self, root: &Path, file: &str) -> Option<u64> {
        read(root, self.folder.join(file))?.split_whitespace().next()?.parse().ok()
    }

    /// The number behind a name in one of its files.
    pub fn counter(&self, root: &Path, file: &str, name: &str) -> Option<u64> {
        let text = read(root, self.folder.join(file))?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find_map(|(key, count)| (key == name).then(|| count.trim().parse().ok())).flatten()
    }

    /// Its folder as a person knows it.
    pub fn path(&self) -> String {
        format!("/{}", self.folder.display())
    }
}

/// The groups of a controller, this process's own first: in the tree of the first version that has it, and in the
/// one of the second.
pub(super) fn all(root: &Path, controller: &str) -> Vec<Group> {
    let (Some(own), Some(mounts)) =
        (read(root, "proc/self/cgroup"), read(root, "proc/self/mountinfo"))
    else {
        return Vec::new();
    };
    let mounts: Vec<_> = mounts.lines().filter_map(Mount::parse).collect();
    let mut groups = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let unified = controllers.is_empty();
        if !unified && !controllers.split(',').any(|name| name == controller) {
            continue;
        }
        let fits = |mount: &&Mount<'_>| match mount.kind {
            "cgroup2" => unified,
            _ => !unified && mount.options.split(',').any(|name| name == controller),
        };
        if let Some(mount) = mounts.iter().find(fits) {
            groups.extend(mount.chain(root, path).map(|folder| Group { folder, unified }));
        }
    }
    groups
}

/// A mounted tree of groups.
struct Mount<'a> {
    /// The group that the mount shows at its top.
    top: &'a str,
    /// Where it is.
    at: &'a str,
    /// `cgroup` or `cgroup2`.
    kind: &'a str,
    /// What it was mounted with.
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// From a line of `mountinfo`; `None` of any other file system.
    fn parse(line: &'a str) -> Option<Self> {
        let (before, behind) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut behind = behind.split(' ');
        let (top, at) = (before.next()?, before.next()?);
        let (kind, options) = (behind.next()?, behind.nth(1).unwrap_or(""));
        matches!(kind, "cgroup" | "cgroup2").then_some(Self { top, at, kind, options })
    }

    /// The folder of a group and those of all above it, as far as they are shown. A container may name a group
    /// that it cannot see: the top of what it sees is then its own.
    fn chain(&self, root: &Path, group: &str) -> impl Iterator<Item = PathBuf> + use<> {
        let inside = match self.top {
            "/" => group,
            top => group.strip_prefix(top).unwrap_or(""),
        };
        let top = PathBuf::from(self.at.trim_start_matches('/'));
        let own = inside
            .split('/')
            .filter(|part| !part.is_empty())
            .fold(top.clone(), |at, part| at.join(part));
        let is_shown = !inside.contains("..") && root.join(&own).is_dir();
        let own = if is_shown { own } else { top.clone() };
        let chain: Vec<_> = own
            .ancestors()
            .take_while(|path| path.starts_with(&top))
            .map(Path::to_path_buf)
            .collect();
        chain.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fake;
    use super::*;

    fn folders(machine: &Fake, controller: &str) -> Vec<String> {
        all(machine.root(), controller).iter().map(Group::path).collect()
    }

    #[test]
    fn a_group_and_all_above_it_are_found_in_either_version() {
        let machine = Fake::new();
        assert!(folders(&machine, "memory").is_empty());
        machine.group2("/user/app");
        let all = ["/sys/fs/cgroup/user/app", "/sys/fs/cgroup/user", "/sys/fs/cgroup"];
        assert_eq!(folders(&machine, "memory"), all);
        machine.group1("memory", "/box");
        assert_eq!(
            folders(&machine, "memory"),
            ["/sys/fs/cgroup/memory/box", "/sys/fs/cgroup/memory"]
        );
        assert!(folders(&machine, "cpu").is_empty());
    }

    #[test]
    fn a_container_sees_its_group_at_the_top() {
        let machine = Fake::new();
        machine.group2("/");
        // The path is the host's, and not to be seen here.
        machine.write("proc/self/cgroup", "0::/docker/4711\n");
        assert_eq!(folders(&machine, "memory"), ["/sys/fs/cgroup"]);
        // Or the mount says what its top is.
        machine.write(
            "proc/self/mountinfo",
            "31 23 0:28 /docker/4711 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        );
        machine.write("proc/self/cgroup", "0::/docker/4711/inner\n");
        machine.write("sys/fs/cgroup/inner/memory.max", "max\n");
        assert_eq!(folders(&machine, "memory"), ["/sys/fs/cgroup/inner", "/sys/fs/cgroup"]);
        machine.write("proc/self/cgroup", "0::/../elsewhere\n");
        assert_eq!(folders(&machine, "memory"), ["/sys/fs/cgroup"]);
    }
}

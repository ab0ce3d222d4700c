//! The files and folders of a model: what is seen, what is durable, and what lies between.

use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

use rustix::io::Errno;
use subrosa_registry::FileInfo;

/// Where a file or folder is in the table. It is never removed from there.
pub(super) type Ino = usize;

/// The folder that the model's own folder is in, under the name `SELF`.
pub(super) const ABOVE: Ino = 0;
const SELF: &str = ".";

/// Why a call was not done.
#[derive(Debug)]
pub(super) enum Refused {
    Io(io::Error),
    NotPlain,
    TooLarge,
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Refused {
        Refused::Io(errno.into())
    }
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) nodes: Vec<Node>,
    pub(super) now: SystemTime,
}

impl Default for World {
    fn default() -> World {
        World { nodes: vec![Node::Folder(Folder::default())], now: SystemTime::UNIX_EPOCH }
    }
}

#[derive(Clone)]
pub(super) enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Clone)]
pub(super) struct File {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// What a sync would make durable.
    pub(super) unsynced: Vec<Change>,
    modified: SystemTime,
}

#[derive(Clone)]
pub(super) enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Change::Write { at, bytes } => {
                // What is skipped reads as zeros.
                content.resize(content.len().max(at + bytes.len()), 0);
                content[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Change::Truncate(len) => content.resize(*len, 0),
        }
    }
}

#[derive(Clone, Default)]
pub(super) struct Folder {
    pub(super) seen: BTreeMap<String, Ino>,
    pub(super) durable: BTreeMap<String, Ino>,
    /// What a sync would make durable.
    pub(super) unsynced: Vec<NameChange>,
}

#[derive(Clone)]
pub(super) enum NameChange {
    Add { name: String, ino: Ino },
    Remove { name: String },
    Rename { from: String, to: String, ino: Ino },
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, Ino>) {
        match self {
            NameChange::Add { name, ino } => {
                names.insert(name.clone(), *ino);
            }
            NameChange::Remove { name } => {
                names.remove(name);
            }
            NameChange::Rename { from, to, ino } => {
                names.remove(from);
                names.insert(to.clone(), *ino);
            }
        }
    }
}

impl World {
    /// The file of that name, if there is one.
    pub(super) fn file(&self, path: &str) -> Result<Option<Ino>, Refused> {
        match self.find(path)? {
            Some(ino) if matches!(self.nodes[ino], Node::Folder(_)) => Err(Refused::NotPlain),
            found => Ok(found),
        }
    }

    pub(super) fn content(&self, ino: Ino) -> &[u8] {
        match &self.nodes[ino] {
            Node::File(file) => &file.seen,
            Node::Folder(_) => unreachable!("only files are opened"),
        }
    }

    pub(super) fn create(&mut self, path: &str) -> Result<Ino, Refused> {
        let (folder, name) = self.place(path)?;
        if self.folder(folder).seen.contains_key(name) {
            return Err(Errno::EXIST.into());
        }
        let modified = self.now;
        let file = File { seen: vec![], durable: vec![], unsynced: vec![], modified };
        Ok(self.add(folder, name, Node::File(file)))
    }

    pub(super) fn write_at_end(&mut self, ino: Ino, bytes: &[u8]) {
        let at = self.content(ino).len();
        self.change(ino, Change::Write { at, bytes: bytes.to_vec() });
    }

    pub(super) fn truncate(&mut self, ino: Ino, len: usize) {
        self.change(ino, Change::Truncate(len));
    }

    pub(super) fn sync_file(&mut self, ino: Ino) {
        let file = self.file_mut(ino);
        for change in std::mem::take(&mut file.unsynced) {
            change.apply(&mut file.durable);
        }
    }

    /// The system gives up what it could not write and takes it for written.
    pub(super) fn fail_to_sync_file(&mut self, ino: Ino) {
        self.file_mut(ino).unsynced.clear();
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Refused> {
        let (from_folder, from_name) = self.place(from)?;
        let (to_folder, to_name) = self.place(to)?;
        let ino = self.named(from_folder, from_name)?;
        if let Some(&there) = self.folder(to_folder).seen.get(to_name) {
            if matches!(self.nodes[there], Node::Folder(_)) {
                return Err(Errno::ISDIR.into());
            }
            // Two names of one file: POSIX has a rename do nothing then, and leave both.
            if there == ino {
                return Ok(());
            }
        }
        let (name, new_name) = (from_name.to_owned(), to_name.to_owned());
        if from_folder == to_folder {
            let change = NameChange::Rename { from: name, to: new_name, ino };
            self.change_names(from_folder, change);
        } else {
            self.change_names(to_folder, NameChange::Add { name: new_name, ino });
            self.change_names(from_folder, NameChange::Remove { name });
        }
        Ok(())
    }

    pub(super) fn link(&mut self, from: &str, to: &str) -> Result<(), Refused> {
        let (from_folder, from_name) = self.place(from)?;
        let (to_folder, to_name) = self.place(to)?;
        let ino = self.named(from_folder, from_name)?;
        if matches!(self.nodes[ino], Node::Folder(_)) {
            return Err(Errno::PERM.into());
        }
        if self.folder(to_folder).seen.contains_key(to_name) {
            return Err(Errno::EXIST.into());
        }
        let name = to_name.to_owned();
        self.change_names(to_folder, NameChange::Add { name, ino });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> Result<(), Refused> {
        match self.find(path)? {
            None => Ok(()),
            Some(ino) if matches!(self.nodes[ino], Node::Folder(_)) => Err(Errno::ISDIR.into()),
            Some(_) => {
                let (folder, name) = self.place(path)?;
                let name = name.to_owned();
                self.change_names(folder, NameChange::Remove { name });
                Ok(())
            }
        }
    }

    pub(super) fn make_folder(&mut self, path: &str) -> Result<(), Refused> {
        let mut folder = self.make_one_folder(ABOVE, SELF)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            folder = self.make_one_folder(folder, name)?;
        }
        Ok(())
    }

    pub(super) fn sync_folder(&mut self, path: &str) -> Result<(), Refused> {
        let ino = self.find(path)?.ok_or(Errno::NOENT)?;
        if matches!(self.nodes[ino], Node::File(_)) {
            return Err(Refused::NotPlain);
        }
        let above = path.is_empty().then_some(ABOVE);
        for ino in std::iter::once(ino).chain(above) {
            let folder = self.folder_mut(ino);
            for change in std::mem::take(&mut folder.unsynced) {
                change.apply(&mut folder.durable);
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, path: &str) -> Result<Vec<FileInfo>, Refused> {
        let Some(ino) = self.find(path)? else { return Ok(Vec::new()) };
        let Node::Folder(folder) = &self.nodes[ino] else { return Err(Refused::NotPlain) };
        let entry = |(name, ino): (&String, &Ino)| match &self.nodes[*ino] {
            Node::File(file) => FileInfo {
                name: name.clone(),
                len: file.seen.len() as u64,
                modified: file.modified,
                is_folder: false,
            },
            Node::Folder(_) => {
                FileInfo { name: name.clone(), len: 0, modified: self.now, is_folder: true }
            }
        };
        Ok(folder.seen.iter().map(entry).collect())
    }

    /// All files that have a name, by their paths.
    pub(super) fn snapshot(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![(String::new(), ABOVE)];
        while let Some((path, ino)) = folders.pop() {
            for (name, ino) in &self.folder(ino).seen {
                let path = match (path.as_str(), name.as_str()) {
                    (_, SELF) => String::new(),
                    ("", name) => name.to_owned(),
                    (path, name) => format!("{path}/{name}"),
                };
                match &self.nodes[*ino] {
                    Node::File(file) => drop(files.insert(path, file.seen.clone())),
                    Node::Folder(_) => folders.push((path, *ino)),
                }
            }
        }
        files
    }

    pub(super) fn put(&mut self, path: &str, bytes: &[u8]) {
        let (folder, _) = path.rsplit_once('/').unwrap_or(("", path));
        self.make_folder(folder).expect("a path of a test goes through folders");
        let found = self.file(path).expect("a path of a test is a file");
        let ino = found.unwrap_or_else(|| self.create(path).expect("its folder was made"));
        self.truncate(ino, 0);
        self.write_at_end(ino, bytes);
    }

    /// Makes all that is seen durable.
    pub(super) fn settle(&mut self) {
        for node in &mut self.nodes {
            match node {
                Node::File(file) => {
                    file.durable.clone_from(&file.seen);
                    file.unsynced.clear();
                }
                Node::Folder(folder) => {
                    folder.durable.clone_from(&folder.seen);
                    folder.unsynced.clear();
                }
            }
        }
    }

    fn make_one_folder(&mut self, above: Ino, name: &str) -> Result<Ino, Refused> {
        match self.folder(above).seen.get(name) {
            Some(&ino) if matches!(self.nodes[ino], Node::File(_)) => Err(Refused::NotPlain),
            Some(&ino) => Ok(ino),
            None => Ok(self.add(above, name, Node::Folder(Folder::default()))),
        }
    }

    fn add(&mut self, folder: Ino, name: &str, node: Node) -> Ino {
        let ino = self.nodes.len();
        self.nodes.push(node);
        self.change_names(folder, NameChange::Add { name: name.to_owned(), ino });
        ino
    }

    fn find(&self, path: &str) -> Result<Option<Ino>, Refused> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        let mut ino = ABOVE;
        for part in std::iter::once(SELF).chain(parts) {
            let Node::Folder(folder) = &self.nodes[ino] else { return Err(Refused::NotPlain) };
            match folder.seen.get(part) {
                Some(&found) => ino = found,
                None => return Ok(None),
            }
        }
        Ok(Some(ino))
    }

    /// The folder of a path, which must be there, and the name in it.
    fn place<'a>(&self, path: &'a str) -> Result<(Ino, &'a str), Refused> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let ino = self.find(folder)?.ok_or(Errno::NOENT)?;
        match self.nodes[ino] {
            Node::Folder(_) => Ok((ino, name)),
            Node::File(_) => Err(Refused::NotPlain),
        }
    }

    fn named(&self, folder: Ino, name: &str) -> Result<Ino, Refused> {
        Ok(*self.folder(folder).seen.get(name).ok_or(Errno::NOENT)?)
    }

    fn change(&mut self, ino: Ino, change: Change) {
        let now = self.now;
        let file = self.file_mut(ino);
        change.apply(&mut file.seen);
        file.unsynced.push(change);
        file.modified = now;
    }

    fn change_names(&mut self, folder: Ino, change: NameChange) {
        let folder = self.folder_mut(folder);
        change.apply(&mut folder.seen);
        folder.unsynced.push(change);
    }

    fn folder(&self, ino: Ino) -> &Folder {
        match &self.nodes[ino] {
            Node::Folder(folder) => folder,
            Node::File(_) => unreachable!("the caller has seen that it is a folder"),
        }
    }

    fn folder_mut(&mut self, ino: Ino) -> &mut Folder {
        match &mut self.nodes[ino] {
            Node::Folder(folder) => folder,
            Node::File(_) => unreachable!("the caller has seen that it is a folder"),
        }
    }

    fn file_mut(&mut self, ino: Ino) -> &mut File {
        match &mut self.nodes[ino] {
            Node::File(file) => file,
            Node::Folder(_) => unreachable!("only files are opened"),
        }
    }
}

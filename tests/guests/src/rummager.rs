//! Does things to directories and files with WASI's own calls, so that nothing is checked or made tidy on its side, and
//! tells how each went.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::bindings::wasi::clocks::wall_clock::Datetime;
use shiro_step::bindings::wasi::filesystem::preopens::get_directories;
use shiro_step::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};
use shiro_step::{Failure, Permissions, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What it does, in this order. All paths are below a directory, as it was granted.
    #[serde(rename = "do")]
    acts: Vec<Act>,
    /// Fail with the first that doesn't go.
    #[serde(default)]
    fail: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Act {
    /// Reads a file: directory, path.
    Read(String, String),
    /// Reads a file again and again and counts what it says: directory, path, how often.
    Watch(String, String, u32),
    /// Writes a file anew.
    Write(String, String),
    /// Opens a file to write to it, without anything else.
    OpenToWrite(String, String),
    /// Makes a file empty as it opens it.
    Truncate(String, String),
    /// Makes a directory.
    MakeDir(String, String),
    /// Removes a file.
    Remove(String, String),
    /// Sets a file's times: directory, path, seconds.
    Touch(String, String, u64),
    /// Gives a file so many bytes: directory, path, bytes.
    Resize(String, String, u64),
    /// Moves a file: directory, path, directory, path.
    Rename(String, String, String, String),
    /// Gives a file another name: directory, path, directory, path.
    HardLink(String, String, String, String),
    /// Makes a symbolic link: directory, path, to what.
    Link(String, String, String),
    /// Makes so many files: directory, how many.
    Files(String, u32),
    /// Makes so many symbolic links: directory, how many.
    Links(String, u32),
    /// Gives a file so many names: directory, path, how many.
    HardLinks(String, String, u32),
    /// Writes so many MiB to a file by a stream: directory, path, MiB.
    Stream(String, String, u32),
    /// Writes zeroes to a file by a stream, so many MiB: directory, path, MiB.
    Zeroes(String, String, u32),
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// How each went: what it got, or the name of the error.
    results: Vec<String>,
}

struct Rummager;

impl Step for Rummager {
    const NAME: &'static str = "rummager";
    const SUMMARY: &'static str = "Does things to files.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().read("data").read_write("out").read_write("other")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        let rooms = Rooms(get_directories());
        let mut results = Vec::new();
        for act in &config.acts {
            match rooms.carry_out(act) {
                Ok(got) => results.push(got),
                Err(error) if config.fail => return Err(Failure::permanent("rummager", error.name())),
                Err(error) => results.push(error.name().to_owned()),
            }
        }
        Ok(Output { results })
    }
}

shiro_step::export!(Rummager);

/// The directories it was given.
struct Rooms(Vec<(Descriptor, String)>);

impl Rooms {
    fn room(&self, name: &str) -> Result<&Descriptor, ErrorCode> {
        self.0.iter().find(|(_, known)| known == name).map(|(room, _)| room).ok_or(ErrorCode::NoEntry)
    }

    fn open(&self, room: &str, path: &str, how: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
        self.room(room)?.open_at(PathFlags::SYMLINK_FOLLOW, path, how, flags)
    }

    fn create(&self, room: &str, path: &str) -> Result<Descriptor, ErrorCode> {
        self.open(room, path, OpenFlags::CREATE, DescriptorFlags::WRITE)
    }

    fn carry_out(&self, act: &Act) -> Result<String, ErrorCode> {
        match act {
            Act::Read(room, path) => return self.read(room, path),
            Act::Watch(room, path, times) => return Ok(self.watch(room, path, *times)),
            Act::Write(room, path) => drop(self.create(room, path)?.write(b"written", 0)?),
            Act::OpenToWrite(room, path) => drop(self.open(room, path, OpenFlags::empty(), DescriptorFlags::WRITE)?),
            Act::Truncate(room, path) => {
                drop(self.open(room, path, OpenFlags::TRUNCATE, DescriptorFlags::READ | DescriptorFlags::WRITE)?);
            }
            Act::MakeDir(room, path) => self.room(room)?.create_directory_at(path)?,
            Act::Remove(room, path) => self.room(room)?.unlink_file_at(path)?,
            Act::Touch(room, path, seconds) => {
                let times = NewTimestamp::Timestamp(Datetime { seconds: *seconds, nanoseconds: 0 });
                self.room(room)?.set_times_at(PathFlags::empty(), path, times, times)?;
            }
            Act::Resize(room, path, bytes) => self.create(room, path)?.set_size(*bytes)?,
            Act::Rename(room, path, to_room, to) => self.room(room)?.rename_at(path, self.room(to_room)?, to)?,
            Act::HardLink(room, path, to_room, to) => {
                self.room(room)?.link_at(PathFlags::empty(), path, self.room(to_room)?, to)?;
            }
            Act::Link(room, path, to) => self.room(room)?.symlink_at(to, path)?,
            Act::Files(room, count) => (0..*count).try_for_each(|n| self.create(room, &format!("f{n}")).map(drop))?,
            Act::Links(room, count) => {
                (0..*count).try_for_each(|n| self.room(room)?.symlink_at("nowhere", &format!("l{n}")))?;
            }
            Act::HardLinks(room, path, count) => (0..*count).try_for_each(|n| {
                let room = self.room(room)?;
                room.link_at(PathFlags::empty(), path, room, &format!("h{n}"))
            })?,
            Act::Stream(room, path, mib) => {
                let stream = self.create(room, path)?.write_via_stream(0)?;
                let chunk = vec![b'x'; 4096];
                (0..mib * 256).try_for_each(|_| stream.blocking_write_and_flush(&chunk)).map_err(|_| ErrorCode::Io)?;
            }
            Act::Zeroes(room, path, mib) => {
                let stream = self.create(room, path)?.write_via_stream(0)?;
                (0..mib * 256)
                    .try_for_each(|_| stream.blocking_write_zeroes_and_flush(4096))
                    .map_err(|_| ErrorCode::Io)?;
            }
        }
        Ok("done".to_owned())
    }

    fn read(&self, room: &str, path: &str) -> Result<String, ErrorCode> {
        let file = self.open(room, path, OpenFlags::empty(), DescriptorFlags::READ)?;
        let (bytes, _) = file.read(u64::MAX, 0)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Each different thing that it read, in the order of first sight.
    fn watch(&self, room: &str, path: &str, times: u32) -> String {
        let mut seen: Vec<String> = Vec::new();
        for _ in 0..times {
            let text = self.read(room, path).unwrap_or_else(|error| error.name().to_owned());
            if !seen.contains(&text) {
                seen.push(text);
            }
        }
        seen.join("|")
    }
}

#include "harness/cli/tree_diff.h"

#include "util/syscall.h"
#include "util/unique_fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

namespace rdmalab::harness {
namespace {

constexpr std::size_t largestFile = 1 << 20; // of what is compared
// What exportTree() makes of files whose reading fails with EINVAL.
constexpr const char* unreadableLink = "/proc/self/ns/net";

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

class DirectorySource : public TreeSource {
public:
    explicit DirectorySource(const std::string& directory)
        : path_(directory), top_(checked("open " + directory, ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))) {
        struct stat status {};
        checked("stat " + directory, ::fstat(top_.get(), &status));
        device_ = status.st_dev;
    }

    std::map<std::string, Entry> list(const std::string& directory) const override {
        const std::string shown = path_ + "/" + directory;
        UniqueFd fd(checked("open " + shown, ::openat(top_.get(), directory.empty() ? "." : directory.c_str(),
                                                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)));
        const int number = fd.get();
        const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(number));
        if (!stream)
            throw SystemError("read " + shown, errno);
        fd.release();
        std::map<std::string, Entry> entries;
        for (errno = 0; const dirent* one = ::readdir(stream.get()); errno = 0) {
            const std::string name = one->d_name;
            if (name == "." || name == "..")
                continue;
            struct stat status {};
            if (::fstatat(number, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == -1) {
                if (errno == ENOENT) // a live tree
                    continue;
                throw SystemError("stat " + shown + "/" + name, errno);
            }
            if (S_ISDIR(status.st_mode) && status.st_dev != device_)
                continue; // something else is mounted there
            entries[name] = entry(number, name, status, shown);
        }
        if (errno != 0)
            throw SystemError("read " + shown, errno);
        return entries;
    }

    std::optional<std::string> read(const std::string& file) const override {
        const UniqueFd fd(::openat(top_.get(), file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!fd.valid())
            return std::nullopt;
        std::string content;
        std::array<char, 16384> piece;
        while (content.size() < largestFile) {
            const ssize_t got = ::read(fd.get(), piece.data(), piece.size());
            if (got == -1 && errno == EINTR)
                continue;
            if (got == -1)
                return std::nullopt;
            if (got == 0)
                break;
            content.append(piece.data(), static_cast<std::size_t>(got));
        }
        return content;
    }

private:
    static Entry entry(int directory, const std::string& name, const struct stat& status, const std::string& shown) {
        Entry made;
        if (S_ISLNK(status.st_mode)) {
            made.kind = Kind::link;
            std::string target(4096, '\0');
            const ssize_t size =
                checked("readlink " + shown + "/" + name, ::readlinkat(directory, name.c_str(), target.data(), target.size()));
            made.target = target.substr(0, static_cast<std::size_t>(size));
            if (made.target == unreadableLink) {
                made = {};
                made.kind = Kind::file;
                made.unreadable = true;
            }
            return made;
        }
        made.kind = S_ISDIR(status.st_mode) ? Kind::directory : S_ISREG(status.st_mode) ? Kind::file : Kind::other;
        made.mode = status.st_mode & 07777;
        return made;
    }

    std::string path_;
    UniqueFd top_;
    dev_t device_ = 0;
};

class FakeSource : public TreeSource {
public:
    FakeSource(const fakesysfs::Tree& tree, std::string top) : tree_(tree), top_(std::move(top)) {}

    std::map<std::string, Entry> list(const std::string& directory) const override {
        std::map<std::string, Entry> entries;
        for (const auto& [name, node] : find(directory).directory->entries()) {
            Entry& made = entries[name];
            switch (node.kind) {
            case fakesysfs::NodeKind::directory:
                made = {Kind::directory, 0755, "", false};
                break;
            case fakesysfs::NodeKind::file:
                made = {Kind::file, node.mode, "", false};
                break;
            case fakesysfs::NodeKind::symlink:
                made = {Kind::link, 0, node.text, false};
                break;
            case fakesysfs::NodeKind::unreadable:
                made = {Kind::file, node.mode, "", true};
                break;
            case fakesysfs::NodeKind::characterDevice:
                made = {Kind::other, node.mode, "", false};
                break;
            }
        }
        return entries;
    }

    std::optional<std::string> read(const std::string& file) const override {
        const fakesysfs::Node& node = find(file);
        if (node.kind == fakesysfs::NodeKind::unreadable)
            return std::nullopt;
        if (!node.behaviour || !node.behaviour->read)
            return node.text;
        try {
            return node.behaviour->read();
        } catch (const SystemError&) {
            return std::nullopt;
        }
    }

private:
    const fakesysfs::Node& find(const std::string& relative) const {
        const std::string path = relative.empty() ? top_ : top_ + "/" + relative;
        const auto found = tree_.find(path, false);
        if (!found.node)
            throw SystemError("look up " + path, found.error);
        return *found.node;
    }

    const fakesysfs::Tree& tree_;
    std::string top_;
};

} // namespace

std::unique_ptr<TreeSource> directorySource(const std::string& directory) {
    return std::make_unique<DirectorySource>(directory);
}

std::unique_ptr<TreeSource> treeSource(const fakesysfs::Tree& tree, const std::string& top) {
    return std::make_unique<FakeSource>(tree, top);
}

} // namespace rdmalab::harness

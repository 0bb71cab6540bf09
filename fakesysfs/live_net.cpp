#include "fakesysfs/live_net.h"

#include "fakesysfs/store.h"
#include "util/syscall.h"
#include "util/unique_fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <vector>

namespace rdmalab::fakesysfs {
namespace {

using ViewRef = std::shared_ptr<NetworkView>;

constexpr std::size_t page = 4096;

UniqueFd openReal(const ViewRef& view, const std::string& file, int flags) {
    const int fd = openat(view->sysfs(), file.c_str(), flags | O_CLOEXEC | O_NOFOLLOW);
    if (fd == -1 && errno == ENOENT)
        throw SystemError("open " + file, ENODEV); // it was there when the directory was looked at
    return UniqueFd(checked("open " + file, fd));
}

// The interface itself is reached through its link in class/net; nothing below it is.
std::string readReal(const ViewRef& view, const std::string& file) {
    const UniqueFd fd = openReal(view, file, O_RDONLY);
    std::string content;
    std::array<char, page> buffer;
    for (;;) {
        const ssize_t count = checked("read " + file, ::read(fd.get(), buffer.data(), buffer.size()));
        if (count == 0)
            return content;
        content.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

std::size_t writeReal(const ViewRef& view, const std::string& file, std::string_view written) {
    const UniqueFd fd = openReal(view, file, O_WRONLY);
    return static_cast<std::size_t>(checked("write " + file, ::write(fd.get(), written.data(), written.size())));
}

struct Entry {
    std::string name;
    unsigned mode = 0; // st_mode
    std::uint64_t size = 0;
};

// Empty when the directory is gone.
std::vector<Entry> listReal(const ViewRef& view, const std::string& directory) {
    std::vector<Entry> entries;
    const int fd = openat(view->sysfs(), directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        return entries;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(fd), closedir);
    if (!stream) {
        close(fd);
        return entries;
    }
    while (const dirent* entry = readdir(stream.get())) {
        const std::string name = entry->d_name;
        struct stat status {};
        if (name != "." && name != ".." && fstatat(fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
            entries.push_back({name, status.st_mode, static_cast<std::uint64_t>(status.st_size)});
    }
    return entries;
}

std::string readLinkReal(const ViewRef& view, const std::string& file) {
    std::array<char, page> buffer;
    const ssize_t length = readlinkat(view->sysfs(), file.c_str(), buffer.data(), buffer.size());
    return length > 0 ? std::string(buffer.data(), static_cast<std::size_t>(length)) : "";
}

// `target` as seen from `directory`, without ".." and "."; both below /sys.
std::string resolved(const std::string& directory, const std::string& target) {
    std::vector<std::string> parts;
    const std::string all = directory + "/" + target;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t slash = std::min(all.find('/', at), all.size());
        const std::string part = all.substr(at, slash - at);
        if (part == "..") {
            if (!parts.empty())
                parts.pop_back();
        } else if (!part.empty() && part != ".")
            parts.push_back(part);
        at = slash + 1;
    }
    std::string path;
    for (const std::string& part : parts)
        path += (path.empty() ? "" : "/") + part;
    return path;
}

class Reader {
public:
    Reader(ViewRef view, std::string name, InterfacePath pathOf)
        : view_(std::move(view)), name_(std::move(name)), pathOf_(std::move(pathOf)),
          real_(resolved("class/net", readLinkReal(view_, "class/net/" + name_))) {}

    // Everything below class/net/NAME/`below` ("" or "statistics/"); `path` is the place in our tree.
    void fill(Directory& directory, const std::string& path, const std::string& below) const {
        for (const Entry& entry : listReal(view_, file(below))) {
            if (S_ISDIR(entry.mode)) {
                directory.lazy(entry.name, [reader = *this, path = path + "/" + entry.name,
                                            inner = below + entry.name + "/"](Directory& sub) { reader.fill(sub, path, inner); });
            } else if (S_ISLNK(entry.mode))
                link(directory, path, below, entry.name);
            else if (S_ISREG(entry.mode))
                attribute(directory, below, entry);
        }
    }

    const ViewRef& view() const noexcept { return view_; }
    std::string file(const std::string& below) const { return "class/net/" + name_ + "/" + below; }
    std::string read(const char* attribute) const { return readReal(view_, file(attribute)); }

private:
    void attribute(Directory& directory, const std::string& below, const Entry& entry) const {
        const unsigned mode = entry.mode & 0777;
        const std::string path = file(below + entry.name);
        Directory::Write write;
        if (mode & 0222)
            write = [view = view_, path](std::string_view written) { return writeReal(view, path, written); };
        if (!(mode & 0444)) {
            directory.writeOnly(entry.name, write, mode);
            return;
        }
        directory.live(
            entry.name, [view = view_, path] { return readReal(view, path); }, write, mode);
        directory.node(entry.name).size = entry.size;
    }

    // Only links to other interfaces (upper_X, lower_X, master, brif/X) keep a meaning here.
    void link(Directory& directory, const std::string& path, const std::string& below, const std::string& name) const {
        if (below.empty() && (name == "device" || name == "subsystem"))
            return;
        const std::string target = resolved(real_ + "/" + below, readLinkReal(view_, file(below + name)));
        constexpr std::string_view mark = "/net/";
        const std::size_t at = target.rfind(mark);
        if (at == std::string::npos)
            return;
        const std::string rest = target.substr(at + mark.size());
        const std::size_t slash = rest.find('/');
        const std::string there = pathOf_(rest.substr(0, slash));
        if (!there.empty())
            addLink(directory, path, name, there + (slash == std::string::npos ? "" : rest.substr(slash)));
    }

    ViewRef view_;
    std::string name_;
    InterfacePath pathOf_;
    std::string real_; // of the directory in the real sysfs
};

// What the port's NIC says instead of the veth that stands in for it.
class PortFace {
public:
    PortFace(const Reader& reader, const NetdevFacts& facts) : reader_(reader), facts_(facts) {}

    void add(Directory& directory, const Scene& scene) const {
        // The kernel refuses these while the interface is down: its answer comes first.
        live(directory, "speed", [reader = reader_, speed = facts_.speed] {
            reader.read("speed");
            if (speed == -2)
                throw SystemError("read speed", EINVAL);
            return std::to_string(reader.read("carrier") == "1\n" ? speed : -1) + "\n";
        });
        live(directory, "duplex", [reader = reader_, speed = facts_.speed] {
            reader.read("duplex");
            return std::string(speed > 0 && reader.read("carrier") == "1\n" ? "full\n" : "unknown\n");
        });
        live(directory, "iflink", [reader = reader_] { return reader.read("ifindex"); });
        // Only stacked interfaces are "lowerlayerdown".
        live(directory, "operstate", [reader = reader_] {
            const std::string state = reader.read("operstate");
            return state == "lowerlayerdown\n" ? "down\n" : state;
        });
        live(directory, "addr_assign_type", [reader = reader_, mac = facts_.mac, origin = facts_.macOrigin] {
            constexpr const char* setByUser = "3\n";
            return mac.size() == 17 && reader.read("address") != mac + "\n" ? setByUser : std::to_string(origin) + "\n";
        });
        directory.text("name_assign_type", "4"); // renamed by udev
        directory.text("dev_id", "0x0");
        directory.text("dev_port", "0");
        directory.text("carrier_changes", std::to_string(facts_.carrierUp + facts_.carrierDown));
        directory.text("carrier_up_count", std::to_string(facts_.carrierUp));
        directory.text("carrier_down_count", std::to_string(facts_.carrierDown));
        directory.unreadable("phys_port_id", EOPNOTSUPP);
        directory.unreadable("phys_switch_id", EOPNOTSUPP);
        if (facts_.portName.empty())
            directory.unreadable("phys_port_name", EOPNOTSUPP);
        else
            directory.text("phys_port_name", facts_.portName);
        if (!facts_.infiniband)
            return;
        directory.text("type", "32");
        directory.text("addr_len", "20");
        directory.text("address", facts_.mac);
        directory.text("broadcast", "00:ff:ff:ff:ff:12:40:1b:ff:ff:00:00:00:00:00:00:ff:ff:ff:ff");
        addIpoib(directory, scene);
    }

private:
    static void live(Directory& directory, const char* name, std::function<std::string()> read) {
        directory.live(name, std::move(read), nullptr, 0444);
    }

    const Reader& reader_;
    const NetdevFacts& facts_;
};

} // namespace

void renderLiveNetdev(Directory& directory, const std::string& path, const Scene& scene, const std::string& name,
                      const NetdevFacts* nic, const InterfacePath& pathOf) {
    const Reader reader(scene.view.live, name, pathOf);
    reader.fill(directory, path, "");
    addLink(directory, path, "subsystem", "class/net");
    if (!nic)
        return;
    PortFace(reader, *nic).add(directory, scene);
    addLink(directory, path, "device", nic->device);
}

} // namespace rdmalab::fakesysfs

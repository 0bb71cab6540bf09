#include "fakesysfs/fuse/mount_point.h"

#include "util/syscall.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace rdmalab::fakesysfs {

MountPoint::MountPoint(const std::string& path) : path_(path) {
    device_ = UniqueFd(checked("open /dev/fuse", open("/dev/fuse", O_RDWR | O_CLOEXEC)));
    const std::string options =
        fmt::format("fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", device_.get());
    // Named after what it stands for: "sysfs on /sys type fuse.sysfs". Flags as distributions mount sysfs.
    checked("mount fuse on " + path,
            mount("sysfs", path.c_str(), "fuse.sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, options.c_str()));
    // Opening the root asks the file system nothing. Through it this mount is unmounted and never another at the same path.
    root_ = UniqueFd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root_.valid()) {
        const int code = errno;
        umount2(path.c_str(), MNT_DETACH);
        throw SystemError("open " + path, code);
    }
}

void MountPoint::detach() noexcept {
    // MNT_FORCE ends the connection, whoever else has the file system mounted. Fails from another mount namespace: then closing
    // the device has to do.
    (void)umount2(fmt::format("/proc/self/fd/{}", root_.get()).c_str(), MNT_FORCE | MNT_DETACH);
}

void MountPoint::provoke() noexcept {
    struct statfs status {};
    (void)fstatfs(root_.get(), &status);
}

} // namespace rdmalab::fakesysfs

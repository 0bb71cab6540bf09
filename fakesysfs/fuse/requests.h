// One function for each kind of FUSE request. The session's user data is the Session.
#pragma once

struct fuse_lowlevel_ops;

namespace rdmalab::fakesysfs {

const fuse_lowlevel_ops& requestHandlers();

} // namespace rdmalab::fakesysfs

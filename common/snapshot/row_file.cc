#include "common/snapshot/row_file.h"

#include <rocksdb/table.h>

namespace cf {

std::optional<RowKey> KeyFromBytes(const rocksdb::Slice& bytes) {
  if (bytes.size() != sizeof(RowKey)) return std::nullopt;
  RowKey key = 0;
  for (std::size_t k = 0; k < sizeof(RowKey); ++k) {
    key = key << 8 | static_cast<unsigned char>(bytes[k]);
  }
  return key;
}

rocksdb::Options RowFileOptions() {
  rocksdb::BlockBasedTableOptions table;
  table.block_size = std::size_t{64} << 10;
  table.checksum = rocksdb::kXXH3;
  table.no_block_cache = true;
  rocksdb::Options options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kNoCompression;
  options.db_host_id = "";  // A snapshot tells nothing of the machine that wrote it.
  return options;
}

}  // namespace cf

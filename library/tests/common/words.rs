//! Words of Miden assembly; the tests of other crates have this file too.

/// The words that the lexer of Miden assembly does not take for names.
pub const KEYWORDS: &str = "add addrspace adv adv_map insert_hdword insert_hdword_d insert_hqword insert_hperm \
    insert_mem adv_loadw adv_pipe adv_push adv_stack push_mapval push_mapval_count push_mapvaln push_mtnode and \
    eval_circuit assert assertz assert_eq assert_eqw begin breakpoint byte caller call cdrop cdropw clk const \
    crypto_stream cswap cswapw debug div drop dropw dup dupw dynexec dyncall else emit end enum eq eqw ext2add \
    ext2div ext2inv ext2mul ext2neg ext2sub err exec event exp false felt fri_ext2fold4 gt gte hash has_mapkey \
    hperm hmerge i1 i8 i16 i32 i64 i128 if ilog2 inv is_odd local locaddr loc_load loc_loadw loc_loadw_be \
    loc_loadw_le loc_store loc_storew loc_storew_be loc_storew_le lt lte mem mem_load mem_loadw mem_loadw_be \
    mem_loadw_le mem_store mem_storew mem_storew_be mem_storew_le mem_stream movdn movdnw movup movupw mtree_get \
    mtree_merge mtree_set mtree_verify mul neg neq not nop or padw pow2 proc procref ptr pub push \
    horner_eval_base horner_eval_ext log_precompile repeat reversew reversedw sdepth stack struct sub swap swapw \
    swapdw syscall trace true type use u8 u16 u32 u32and u32assert u32assert2 u32assertw u32cast u32div u32divmod \
    u32gt u32gte u32lt u32lte u32max u32min u32mod u32not u32or u32overflowing_add u32overflowing_add3 \
    u32overflowing_madd u32overflowing_mul u32overflowing_sub u32popcnt u32clz u32ctz u32clo u32cto u32rotl \
    u32rotr u32shl u32shr u32split u32test u32testw u32wrapping_add u32wrapping_add3 u32wrapping_madd \
    u32wrapping_mul u32wrapping_sub u32xor u64 u128 while word xor";

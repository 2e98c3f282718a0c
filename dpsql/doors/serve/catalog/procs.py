"""The functions that pg_proc names: those of types, and those that clients call most, with the oids of PostgreSQL 15.

Facts of the interface, written by a query of our own over a PostgreSQL's catalog.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

# oid:name, of functions that read, print and subscript types
_OF_TYPES = """
31:byteaout 33:charout 34:namein 35:nameout 38:int2in 39:int2out 40:int2vectorin 41:int2vectorout 42:int4in 43:int4out
44:regprocin 45:regprocout 46:textin 47:textout 48:tidin 49:tidout 50:xidin 51:xidout 52:cidin 53:cidout
54:oidvectorin 55:oidvectorout 86:pg_ddl_command_in 87:pg_ddl_command_out 88:pg_ddl_command_recv
90:pg_ddl_command_send 109:unknownin 110:unknownout 117:point_in 118:point_out 119:lseg_in 120:lseg_out 121:path_in
122:path_out 123:box_in 124:box_out 195:pg_node_tree_in 196:pg_node_tree_out 197:pg_node_tree_recv
198:pg_node_tree_send 200:float4in 201:float4out 214:float8in 215:float8out 267:table_am_handler_in
268:table_am_handler_out 321:json_in 322:json_out 323:json_recv 324:json_send 326:index_am_handler_in
327:index_am_handler_out 347:poly_in 348:poly_out 436:macaddr_in 437:macaddr_out 460:int8in 461:int8out 750:array_in
751:array_out 886:cash_in 887:cash_out 910:inet_in 911:inet_out 1031:aclitemin 1032:aclitemout 1044:bpcharin
1045:bpcharout 1046:varcharin 1047:varcharout 1084:date_in 1085:date_out 1143:time_in 1144:time_out
1150:timestamptz_in 1151:timestamptz_out 1160:interval_in 1161:interval_out 1242:boolin 1243:boolout 1244:byteain
1245:charin 1267:cidr_in 1312:timestamp_in 1313:timestamp_out 1350:timetz_in 1351:timetz_out 1427:cidr_out
1450:circle_in 1451:circle_out 1490:line_in 1491:line_out 1564:bit_in 1565:bit_out 1579:varbit_in 1580:varbit_out
1701:numeric_in 1702:numeric_out 1798:oidin 1799:oidout 2212:regprocedurein 2213:regprocedureout 2214:regoperin
2215:regoperout 2216:regoperatorin 2217:regoperatorout 2218:regclassin 2219:regclassout 2220:regtypein 2221:regtypeout
2290:record_in 2291:record_out 2292:cstring_in 2293:cstring_out 2294:any_in 2295:any_out 2296:anyarray_in
2297:anyarray_out 2298:void_in 2299:void_out 2300:trigger_in 2301:trigger_out 2302:language_handler_in
2303:language_handler_out 2304:internal_in 2305:internal_out 2312:anyelement_in 2313:anyelement_out 2400:array_recv
2401:array_send 2402:record_recv 2403:record_send 2404:int2recv 2405:int2send 2406:int4recv 2407:int4send
2408:int8recv 2409:int8send 2410:int2vectorrecv 2411:int2vectorsend 2412:bytearecv 2413:byteasend 2414:textrecv
2415:textsend 2416:unknownrecv 2417:unknownsend 2418:oidrecv 2419:oidsend 2420:oidvectorrecv 2421:oidvectorsend
2422:namerecv 2423:namesend 2424:float4recv 2425:float4send 2426:float8recv 2427:float8send 2428:point_recv
2429:point_send 2430:bpcharrecv 2431:bpcharsend 2432:varcharrecv 2433:varcharsend 2434:charrecv 2435:charsend
2436:boolrecv 2437:boolsend 2438:tidrecv 2439:tidsend 2440:xidrecv 2441:xidsend 2442:cidrecv 2443:cidsend
2444:regprocrecv 2445:regprocsend 2446:regprocedurerecv 2447:regproceduresend 2448:regoperrecv 2449:regopersend
2450:regoperatorrecv 2451:regoperatorsend 2452:regclassrecv 2453:regclasssend 2454:regtyperecv 2455:regtypesend
2456:bit_recv 2457:bit_send 2458:varbit_recv 2459:varbit_send 2460:numeric_recv 2461:numeric_send 2468:date_recv
2469:date_send 2470:time_recv 2471:time_send 2472:timetz_recv 2473:timetz_send 2474:timestamp_recv 2475:timestamp_send
2476:timestamptz_recv 2477:timestamptz_send 2478:interval_recv 2479:interval_send 2480:lseg_recv 2481:lseg_send
2482:path_recv 2483:path_send 2484:box_recv 2485:box_send 2486:poly_recv 2487:poly_send 2488:line_recv 2489:line_send
2490:circle_recv 2491:circle_send 2492:cash_recv 2493:cash_send 2494:macaddr_recv 2495:macaddr_send 2496:inet_recv
2497:inet_send 2498:cidr_recv 2499:cidr_send 2500:cstring_recv 2501:cstring_send 2502:anyarray_recv 2503:anyarray_send
2597:domain_in 2598:domain_recv 2777:anynonarray_in 2778:anynonarray_out 2893:xml_in 2894:xml_out 2898:xml_recv
2899:xml_send 2902:varbittypmodin 2903:intervaltypmodin 2904:intervaltypmodout 2905:timestamptypmodin
2906:timestamptypmodout 2907:timestamptztypmodin 2908:timestamptztypmodout 2909:timetypmodin 2910:timetypmodout
2911:timetztypmodin 2912:timetztypmodout 2913:bpchartypmodin 2914:bpchartypmodout 2915:varchartypmodin
2916:varchartypmodout 2917:numerictypmodin 2918:numerictypmodout 2919:bittypmodin 2920:bittypmodout
2921:varbittypmodout 2939:txid_snapshot_in 2940:txid_snapshot_out 2941:txid_snapshot_recv 2942:txid_snapshot_send
2952:uuid_in 2953:uuid_out 2961:uuid_recv 2962:uuid_send 3116:fdw_handler_in 3117:fdw_handler_out 3120:void_recv
3121:void_send 3229:pg_lsn_in 3230:pg_lsn_out 3238:pg_lsn_recv 3239:pg_lsn_send 3311:tsm_handler_in
3312:tsm_handler_out 3355:pg_ndistinct_in 3356:pg_ndistinct_out 3357:pg_ndistinct_recv 3358:pg_ndistinct_send
3404:pg_dependencies_in 3405:pg_dependencies_out 3406:pg_dependencies_recv 3407:pg_dependencies_send
3446:macaddr8_recv 3447:macaddr8_send 3504:anyenum_in 3505:anyenum_out 3594:event_trigger_in 3595:event_trigger_out
3610:tsvectorin 3611:tsvectorout 3612:tsqueryin 3613:tsqueryout 3638:tsvectorsend 3639:tsvectorrecv 3640:tsquerysend
3641:tsqueryrecv 3646:gtsvectorin 3647:gtsvectorout 3688:ts_typanalyze 3736:regconfigin 3737:regconfigout
3738:regconfigrecv 3739:regconfigsend 3771:regdictionaryin 3772:regdictionaryout 3773:regdictionaryrecv
3774:regdictionarysend 3803:jsonb_send 3804:jsonb_out 3805:jsonb_recv 3806:jsonb_in 3816:array_typanalyze
3832:anyrange_in 3833:anyrange_out 3834:range_in 3835:range_out 3836:range_recv 3837:range_send 3916:range_typanalyze
4001:jsonpath_in 4002:jsonpath_recv 4003:jsonpath_out 4004:jsonpath_send 4084:regnamespacein 4085:regnamespaceout
4087:regnamespacerecv 4088:regnamespacesend 4092:regroleout 4094:regrolerecv 4095:regrolesend 4098:regrolein
4110:macaddr8_in 4111:macaddr8_out 4193:regcollationin 4194:regcollationout 4196:regcollationrecv
4197:regcollationsend 4226:anycompatiblemultirange_in 4227:anycompatiblemultirange_out 4229:anymultirange_in
4230:anymultirange_out 4231:multirange_in 4232:multirange_out 4233:multirange_recv 4234:multirange_send
4242:multirange_typanalyze 4596:brin_bloom_summary_in 4597:brin_bloom_summary_out 4598:brin_bloom_summary_recv
4599:brin_bloom_summary_send 4638:brin_minmax_multi_summary_in 4639:brin_minmax_multi_summary_out
4640:brin_minmax_multi_summary_recv 4641:brin_minmax_multi_summary_send 5018:pg_mcv_list_in 5019:pg_mcv_list_out
5020:pg_mcv_list_recv 5021:pg_mcv_list_send 5055:pg_snapshot_in 5056:pg_snapshot_out 5057:pg_snapshot_recv
5058:pg_snapshot_send 5070:xid8in 5081:xid8out 5082:xid8recv 5083:xid8send 5086:anycompatible_in
5087:anycompatible_out 5088:anycompatiblearray_in 5089:anycompatiblearray_out 5090:anycompatiblearray_recv
5091:anycompatiblearray_send 5092:anycompatiblenonarray_in 5093:anycompatiblenonarray_out 5094:anycompatiblerange_in
5095:anycompatiblerange_out 6098:jsonb_subscript_handler 6179:array_subscript_handler 6180:raw_array_subscript_handler
"""
# oid:name:kind (* returns a set):type returned:types taken
_CALLED = """
89:version:f:25: 384:array_to_string:f:25:2277,25,25 395:array_to_string:f:25:2277,25 745:current_user:f:19:
746:session_user:f:19: 861:current_database:f:19: 870:lower:f:25:25 871:upper:f:25:25
938:generate_series:f*:1114:1114,1114,1186 939:generate_series:f*:1184:1184,1184,1186
1066:generate_series:f*:23:23,23,23 1067:generate_series:f*:23:23,23 1068:generate_series:f*:20:20,20,20
1069:generate_series:f*:20:20,20 1081:format_type:f:25:26,23 1215:obj_description:f:25:26,19
1216:col_description:f:25:26,23 1282:quote_ident:f:25:25 1299:now:f:1184: 1317:length:f:23:25 1318:length:f:23:1042
1342:round:f:701:701 1348:obj_description:f:25:26 1387:pg_get_constraintdef:f:25:26 1394:abs:f:700:700
1395:abs:f:701:701 1396:abs:f:20:20 1397:abs:f:23:23 1398:abs:f:21:21 1402:current_schema:f:19:
1403:current_schemas:f:1003:16 1530:length:f:701:601 1531:length:f:701:602 1597:pg_encoding_to_char:f:19:23
1640:pg_get_viewdef:f:25:25 1641:pg_get_viewdef:f:25:26 1642:pg_get_userbyid:f:19:26 1643:pg_get_indexdef:f:25:26
1681:length:f:23:1560 1705:abs:f:1700:1700 1707:round:f:1700:1700,23 1708:round:f:1700:1700 1713:length:f:23:17,19
1716:pg_get_expr:f:25:194,26 1922:has_table_privilege:f:16:19,25,25 1923:has_table_privilege:f:16:19,26,25
1924:has_table_privilege:f:16:26,25,25 1925:has_table_privilege:f:16:26,26,25 1926:has_table_privilege:f:16:25,25
1927:has_table_privilege:f:16:26,25 1993:shobj_description:f:25:26,19 2010:length:f:23:17 2026:pg_backend_pid:f:23:
2050:max:a:2277:2277 2051:min:a:2277:2277 2077:current_setting:f:25:25 2078:set_config:f:25:25,25,16
2079:pg_table_is_visible:f:16:26 2080:pg_type_is_visible:f:16:26 2081:pg_function_is_visible:f:16:26
2091:array_lower:f:23:2277,23 2092:array_upper:f:23:2277,23 2100:avg:a:1700:20 2101:avg:a:1700:23 2102:avg:a:1700:21
2103:avg:a:1700:1700 2104:avg:a:701:700 2105:avg:a:701:701 2106:avg:a:1186:1186 2107:sum:a:1700:20 2108:sum:a:20:23
2109:sum:a:20:21 2110:sum:a:700:700 2111:sum:a:701:701 2112:sum:a:790:790 2113:sum:a:1186:1186 2114:sum:a:1700:1700
2115:max:a:20:20 2116:max:a:23:23 2117:max:a:21:21 2118:max:a:26:26 2119:max:a:700:700 2120:max:a:701:701
2122:max:a:1082:1082 2123:max:a:1083:1083 2124:max:a:1266:1266 2125:max:a:790:790 2126:max:a:1114:1114
2127:max:a:1184:1184 2128:max:a:1186:1186 2129:max:a:25:25 2130:max:a:1700:1700 2131:min:a:20:20 2132:min:a:23:23
2133:min:a:21:21 2134:min:a:26:26 2135:min:a:700:700 2136:min:a:701:701 2138:min:a:1082:1082 2139:min:a:1083:1083
2140:min:a:1266:1266 2141:min:a:790:790 2142:min:a:1114:1114 2143:min:a:1184:1184 2144:min:a:1186:1186
2145:min:a:25:25 2146:min:a:1700:1700 2147:count:a:20:2276 2148:variance:a:1700:20 2149:variance:a:1700:23
2150:variance:a:1700:21 2151:variance:a:701:700 2152:variance:a:701:701 2153:variance:a:1700:1700
2154:stddev:a:1700:20 2155:stddev:a:1700:23 2156:stddev:a:1700:21 2157:stddev:a:701:700 2158:stddev:a:701:701
2159:stddev:a:1700:1700 2168:pg_database_size:f:20:19 2176:array_length:f:23:2277,23 2244:max:a:1042:1042
2245:min:a:1042:1042 2250:has_database_privilege:f:16:19,25,25 2251:has_database_privilege:f:16:19,26,25
2252:has_database_privilege:f:16:26,25,25 2253:has_database_privilege:f:16:26,26,25
2254:has_database_privilege:f:16:25,25 2255:has_database_privilege:f:16:26,25 2268:has_schema_privilege:f:16:19,25,25
2269:has_schema_privilege:f:16:19,26,25 2270:has_schema_privilege:f:16:26,25,25
2271:has_schema_privilege:f:16:26,26,25 2272:has_schema_privilege:f:16:25,25 2273:has_schema_privilege:f:16:26,25
2286:pg_total_relation_size:f:20:2205 2288:pg_size_pretty:f:25:20 2324:pg_database_size:f:20:26
2325:pg_relation_size:f:20:2205 2332:pg_relation_size:f:20:2205,25 2505:pg_get_viewdef:f:25:25,16
2506:pg_get_viewdef:f:25:26,16 2507:pg_get_indexdef:f:25:26,23,16 2508:pg_get_constraintdef:f:25:26,16
2509:pg_get_expr:f:25:194,26,16 2797:max:a:27:27 2798:min:a:27:27 2803:count:a:20: 2997:pg_table_size:f:20:2205
3012:has_column_privilege:f:16:19,25,25,25 3013:has_column_privilege:f:16:19,25,21,25
3014:has_column_privilege:f:16:19,26,25,25 3015:has_column_privilege:f:16:19,26,21,25
3016:has_column_privilege:f:16:26,25,25,25 3017:has_column_privilege:f:16:26,25,21,25
3018:has_column_privilege:f:16:26,26,25,25 3019:has_column_privilege:f:16:26,26,21,25
3020:has_column_privilege:f:16:25,25,25 3021:has_column_privilege:f:16:25,21,25
3022:has_column_privilege:f:16:26,25,25 3023:has_column_privilege:f:16:26,21,25
3024:has_any_column_privilege:f:16:19,25,25 3025:has_any_column_privilege:f:16:19,26,25
3026:has_any_column_privilege:f:16:26,25,25 3027:has_any_column_privilege:f:16:26,26,25
3028:has_any_column_privilege:f:16:25,25 3029:has_any_column_privilege:f:16:26,25 3159:pg_get_viewdef:f:25:26,23
3166:pg_size_pretty:f:25:1700 3259:generate_series:f*:1700:1700,1700,1700 3260:generate_series:f*:1700:1700,1700
3294:current_setting:f:25:25,16 3493:to_regtype:f:2206:25 3495:to_regclass:f:2205:25 3526:max:a:3500:3500
3527:min:a:3500:3500 3564:max:a:869:869 3565:min:a:869:869 3711:length:f:23:3614 3810:pg_is_in_recovery:f:16:
3848:lower:f:2283:3831 3849:upper:f:2283:3831 4189:max:a:3220:3220 4190:min:a:3220:3220 4235:lower:f:2283:4537
4236:upper:f:2283:4537 5099:max:a:5069:5069 5100:min:a:5069:5069
"""


@dataclass(frozen=True, slots=True)
class Proc:
    """A function: kind is pg_proc's (f, a, w), `takes` and `gives` are oids of types."""

    oid: int
    name: str
    kind: str = "f"
    many: bool = False
    gives: int = 2281
    takes: tuple[int, ...] = ()


@cache
def procs() -> tuple[Proc, ...]:
    """All of them."""
    found = []
    for each in _OF_TYPES.split():
        oid, name = each.split(":")
        found.append(Proc(int(oid), name))
    for each in _CALLED.split():
        oid, name, kind, gives, takes = each.split(":")
        taken = tuple(map(int, filter(None, takes.split(","))))
        found.append(Proc(int(oid), name, kind[0], kind.endswith("*"), int(gives), taken))
    return tuple(found)


@cache
def proc_oid(name: str) -> int:
    """The oid of the (first) function of that name; 0 for none and for "-"."""
    return next((proc.oid for proc in procs() if proc.name == name), 0)
